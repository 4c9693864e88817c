"""The table of numbers: its cells, and the file it is kept in."""
import pytest

from ganlib.__main__ import main
from ganlib.errors import GanlibError
from ganlib.tables import Table, TableRow


@pytest.mark.parametrize(("value", "spread", "shown"), [
    (2.882e-13, 8.3e-14, "0"),
    (0.00021, 0.00004, "0.00021 ± 4e-05"),
    (49.96, 0.18, "49.96 ± 0.18"),
    (1042.4, 51.2, "1,042 ± 51"),
])
def test_what_rounding_errors_leave_is_shown_as_0(value, spread, shown):
    assert TableRow("real", {"fd": value}, {"fd": spread}).cell("fd") == shown


def test_a_file_that_is_no_table_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("what someone wrote")
    (tmp_path / "config.json").write_text('{"recipe": {}}')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in before:
        assert main(["evaluate", "no pack", "dcgan", "--json", str(path)]) == 2
        assert "is there already" in capsys.readouterr().err
        with pytest.raises(GanlibError, match="is there already"):
            Table([], {}).save(path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
