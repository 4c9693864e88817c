"""labels.csv: found, matched, and refused in clear words before anything is decoded."""
import csv
import unicodedata
import warnings

import pytest

from ganlib.data.labels import read_labels
from ganlib.errors import GanlibError

FILES = ["a.png", "b.png", "c.png"]
ROWS = [["file", "hair"], ["a.png", "red"], ["b.png", "blue"]]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(action="error"):
        yield


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def refused(folder, content, *words, files=FILES):
    """Check the error for a labels.csv of these bytes or rows: it names the file and has these words."""
    path = folder / "labels.csv"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, content)
    with pytest.raises(GanlibError) as error:
        read_labels(folder, files)
    for word in (str(path), *words):
        assert word in str(error.value), error.value
    assert len(str(error.value)) < 500


def test_attributes_and_what_is_unknown(tmp_path):
    write(tmp_path / "labels.csv", [["file", " hair ", "eyes"], ["a.png", "red", ""],
                                    ["c.png", " blue", "green"], [], ["gone.png", "x", "y"]])
    attributes, of_file, lost = read_labels(tmp_path, FILES)
    assert attributes == {"hair": ["blue", "red"], "eyes": ["green"]}
    assert of_file == {"a.png": {"hair": "red", "eyes": None}, "c.png": {"hair": "blue", "eyes": "green"}}
    assert lost == 1


def test_without_a_labels_file(tmp_path):
    assert read_labels(tmp_path, FILES) == ({}, {}, 0)


# -- where it lies, and what its paths are relative to


@pytest.mark.parametrize("place, prefix", [
    ("", "set/pictures/"), ("", ""), ("", "pictures/"),
    ("set", "pictures/"), ("set", ""), ("set", "set/pictures/"),
    ("set/pictures", ""), ("set/pictures", "./"), ("set/pictures", "../pictures/"),
    ("set/pictures", "set\\pictures\\"),
])
def test_a_csv_in_a_folder_that_holds_all_pictures_is_found(tmp_path, place, prefix):
    write(tmp_path / place / "labels.csv", [["file", "hair"], [f"{prefix}a.png", "red"]])
    files = [f"set/pictures/{name}" for name in FILES]
    assert read_labels(tmp_path, files).of_file == {files[0]: {"hair": "red"}}


def test_a_csv_beside_some_of_the_pictures_is_not_taken_for_all(tmp_path):
    write(tmp_path / "set" / "labels.csv", ROWS)
    assert read_labels(tmp_path, ["a.png", "set/b.png"]).attributes == {}


@pytest.mark.parametrize("place, prefix", [
    ("elsewhere", ""), ("elsewhere", "faces/"), ("elsewhere", "../faces/"),
    ("", ""), ("", "faces/"), ("", "ABSOLUTE"),
])
def test_a_csv_that_lies_elsewhere(tmp_path, place, prefix):
    (tmp_path / "faces").mkdir()
    prefix = prefix.replace("ABSOLUTE", f"{tmp_path}/faces/")
    path = write(tmp_path / place / "mine.csv", [["file", "hair"], [f"{prefix}a.png", "red"]])
    assert read_labels(tmp_path / "faces", FILES, path).of_file == {"a.png": {"hair": "red"}}


def test_its_own_place_comes_first(tmp_path):
    path = write(tmp_path / "sub" / "labels.csv", [["file", "hair"], ["a.png", "red"]])
    assert read_labels(tmp_path, ["a.png", "sub/a.png"], path).of_file == {"sub/a.png": {"hair": "red"}}


@pytest.mark.parametrize("in_csv", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_names_in_any_script_and_either_normal_form(tmp_path, in_csv, on_disk):
    files = [unicodedata.normalize(on_disk, f"{name}.png") for name in ("が", "Žofie", "лицо", "顔")]
    rows = [[unicodedata.normalize(in_csv, text) for text in (file, colour)]
            for file, colour in zip(files, ("rosé", "rosé", "синий", "青"))]
    rows[1][1] = unicodedata.normalize("NFD", "rosé")
    write(tmp_path / "labels.csv", [["file", "髪"], *rows])
    attributes, of_file, _ = read_labels(tmp_path, files)
    assert attributes == {"髪": ["rosé", "синий", "青"]} and set(of_file) == set(files)


def test_two_files_that_differ_in_the_normal_form_alone(tmp_path):
    files = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    write(tmp_path / "labels.csv", [["file", "hair"], [files[0], "red"], [files[1], "blue"]])
    assert read_labels(tmp_path, files).of_file == {files[0]: {"hair": "red"}, files[1]: {"hair": "blue"}}


def test_folders_and_files_whose_names_are_not_utf8(tmp_path):
    top = b"\x8a\xe7".decode("utf-8", "surrogateescape")
    write(tmp_path / top / "labels.csv", [["file", "hair"], ["a.png", "red"], ["\\x8a.png", "blue"]])
    files = [f"{top}/a.png", f"{top}/" + b"\x8a.png".decode("utf-8", "surrogateescape")]
    assert read_labels(tmp_path, files).of_file[files[0]] == {"hair": "red"}


# -- what is no labels file


@pytest.mark.parametrize("name", ["index", "reason", "detail", " index ", "\ufeffreason"])
def test_names_that_a_pack_needs_for_itself(tmp_path, name):
    plain = name.strip(" \ufeff")
    rows = [[name, "file", "hair"], ["1", "a.png", "red"]]
    refused(tmp_path, rows, f"column named '{plain}'", "rename it")


@pytest.mark.parametrize("header", [
    ["file", "hair", "hair"], ["file", "hair", " hair"], ["file", "file ", "hair"],
    ["file", "é", unicodedata.normalize("NFD", "é")],
])
def test_a_column_twice(tmp_path, header):
    refused(tmp_path, [header, ["a.png", "red", "b.png"]], "twice")


def test_a_column_without_a_name_is_passed_over(tmp_path):
    """pandas writes its index as such a column."""
    write(tmp_path / "labels.csv", [["", "file", "hair", ""], ["0", "a.png", "red", ""]])
    assert read_labels(tmp_path, FILES).attributes == {"hair": ["red"]}


@pytest.mark.parametrize("content, words", [
    (b"", "is empty"),
    (b"\n\n", "is empty"),
    (b"file,hair\n", "a header and no rows"),
    (b"file\na.png\n", "has the columns ['file']"),
    (b"name,hair\na.png,red\n", "has the columns ['name', 'hair']"),
    (b"file;hair\na.png;red\n", "semicolons between its columns"),
    (b"file;hair, natural\na.png;red\n", "semicolons between its columns"),
    (b"file\thair\na.png\tred\n", "tabs between its columns"),
    ("file,hair\na.png,red\n".encode("utf-16"), "no text in UTF-8"),
    ("file,hair\na.png,red\n".encode("utf-16-le"), "no text in UTF-8"),
    ("file,hair\n顔.png,赤\n".encode("cp932"), "no text in UTF-8"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text in UTF-8"),
    (b"PK\3\4\n\0", "no text in UTF-8"),
    (b'[{"file": "a.png", "hair": "red"}]\n', "has the columns"),
    (b'{"file": "a.png",\n "hair": "red"}\n' * 50, "has the columns"),
    (b"<html><body>" + b"x" * 200_000 + b"</body></html>", "cannot be read"),
    (b"<html>" + b",x" * 2_000, "has the columns"),
    (b'file,hair\na.png,"red\nb.png,blue\n', "cannot be read (unexpected end of data)"),
])
def test_what_is_no_labels_file(tmp_path, content, words):
    refused(tmp_path, content, words)


def test_a_path_that_cannot_be_read(tmp_path):
    for path, words in (tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory"):
        expected = f"cannot be read .*{words}.*expected a CSV with the column file"
        with pytest.raises(GanlibError, match=expected):
            read_labels(tmp_path, FILES, path)


def test_labels_of_other_files(tmp_path):
    refused(tmp_path, [["file", "hair"], ["x.png", "red"]], "No row of", "'x.png'", "'a.png'")


# -- rows


def test_a_row_with_more_cells_than_the_header(tmp_path):
    refused(tmp_path, [*ROWS, ["c", "1.png", "red"]], "Line 4", "3 cells", "its header 2", "quotes")
    write(tmp_path / "labels.csv", [*ROWS, ["c.png", "red", "", ""]])  # empty ones do no harm
    assert len(read_labels(tmp_path, FILES).of_file) == 3


def test_a_row_with_fewer_cells_is_told_and_counts_as_unknown(tmp_path):
    write(tmp_path / "labels.csv", [["file", "hair", "eyes"], ["a.png", "red", "blue"], ["b.png"]])
    with pytest.warns(UserWarning, match=r"1 rows .*labels.csv have fewer cells .*line 3.*unknown"):
        labels = read_labels(tmp_path, FILES)
    assert labels.of_file["b.png"] == {"hair": None, "eyes": None}


def test_rows_that_differ_for_one_file_are_told(tmp_path):
    write(tmp_path / "labels.csv", [*ROWS, ["./a.png", "green"]])
    with pytest.warns(UserWarning, match="differ for one file, such as 'a.png'"):
        labels = read_labels(tmp_path, FILES)
    assert labels.of_file["a.png"] == {"hair": "green"}


def test_an_id_is_no_label(tmp_path):
    files = [f"{i}.png" for i in range(150)]
    rows = [[file, file[:-4]] for file in files]
    refused(tmp_path, [["file", "id"], *rows], "'id'", "150 classes for 150 files", files=files)
    write(tmp_path / "labels.csv", [["file", "id"], *rows[:40]])
    with pytest.warns(UserWarning, match="'id' .* has 40 classes for 40 files: that looks like an id"):
        read_labels(tmp_path, files)
    rows = [[file, f"{i % 120}"] for i, file in enumerate(files)]
    write(tmp_path / "labels.csv", [["file", "hair"], *rows])
    assert len(read_labels(tmp_path, files).attributes["hair"]) == 120


def test_more_classes_than_a_pack_can_count(tmp_path):
    files = [f"{i}.png" for i in range(40_000)]
    rows = [[file, f"{i % 33_000}"] for i, file in enumerate(files)]
    refused(tmp_path, [["file", "tag"], *rows], "'tag'", "33,000 classes", "32,767", files=files)
