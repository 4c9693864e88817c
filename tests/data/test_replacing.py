"""`ganlib data`: which packs it writes over, and how many faces it draws."""
import pytest
from raw_files import portrait

from ganlib.__main__ import main
from ganlib.data.packs import load_pack, write_review


def data_words(source, pack, *options):
    return ["data", str(source), str(pack), "--size", "32", "--faces", "off", *map(str, options)]


@pytest.fixture
def drawn_pack(tmp_path, monkeypatch, capsys):
    """The folder of a pack of 20 drawn faces at 32 pixels."""
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))
    assert main(data_words("synthetic", tmp_path / "drawn", "--n", 20)) == 0
    capsys.readouterr()
    return tmp_path / "drawn"


@pytest.fixture
def pictures(tmp_path):
    """A folder of five portraits."""
    (tmp_path / "mine").mkdir()
    for i in range(5):
        portrait(i).save(tmp_path / "mine" / f"{i}.png")
    return tmp_path / "mine"


def test_data_refuses_other_labels_until_told(pictures, tmp_path, capsys):
    assert main(data_words(pictures, tmp_path / "pack")) == 0
    (tmp_path / "hair.csv").write_text("file,hair\n0.png,red\n1.png,blue\n")
    with_labels = data_words(pictures, tmp_path / "pack", "--labels", tmp_path / "hair.csv")
    assert main(with_labels) == 2
    assert "(5 images, with no labels, not with hair)" in capsys.readouterr().err
    assert main([*with_labels, "--replace"]) == 0
    assert main(with_labels) == 0
    assert list(load_pack(tmp_path / "pack").attributes) == ["hair"]
    assert main(data_words(pictures, tmp_path / "pack")) == 2
    assert "(5 images, with hair, not with none)" in capsys.readouterr().err


def test_data_makes_a_pack_of_the_same_source_anew(pictures, tmp_path):
    """Pictures were added, and a review gives one back."""
    (pictures / "copy.png").write_bytes((pictures / "0.png").read_bytes())
    assert main(data_words(pictures, tmp_path / "pack")) == 0
    assert len(load_pack(tmp_path / "pack")) == 5
    dropped = [row["file"] for row in load_pack(tmp_path / "pack").manifest() if row["reason"]]
    write_review(tmp_path / "pack", dropped)
    portrait(7).save(pictures / "7.png")
    assert main(data_words(pictures, tmp_path / "pack")) == 0
    assert len(load_pack(tmp_path / "pack")) == 7


def test_data_draws_so_many_faces(drawn_pack, pictures, capsys):
    faces = [row for row in load_pack(drawn_pack).manifest() if row["file"].startswith("faces/")]
    assert len(faces) == 20
    assert main(data_words(pictures, drawn_pack.with_name("new"), "--n", 3)) == 2
    assert "--n 3 is for synthetic only" in capsys.readouterr().err
    assert main(data_words("synthetic", drawn_pack.with_name("new"), "--n", 0)) == 2
    assert "--n 0: expected how many faces" in capsys.readouterr().err
    assert not drawn_pack.with_name("new").exists()


@pytest.mark.parametrize(
    "source, options, difference",
    [
        ("mine", [], ""),
        ("synthetic", ["--n", 20, "--size", 16], ", 32 pixels, not 16"),
        ("synthetic", ["--n", 21], ", drawn with --n 20, not 21"),
        ("synthetic", ["--n", 20, "--fit", "pad"], ", made with --fit crop, not pad"),
    ],
)
def test_data_writes_over_no_other_pack(drawn_pack, pictures, capsys, source, options, difference):
    before = load_pack(drawn_pack)
    words = data_words(pictures if source == "mine" else source, drawn_pack, *options)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert f"{drawn_pack} is a pack of synthetic ({len(before)} images{difference}): name another" in error
    assert "or add --replace." in error
    assert load_pack(drawn_pack).hash == before.hash
    assert main([*words, "--replace"]) == 0
    assert load_pack(drawn_pack).settings != before.settings
