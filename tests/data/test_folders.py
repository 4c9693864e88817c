"""Which files of a folder are taken, and what is said of the rest."""


from raw_files import clean_quietly, portrait, reasons


def test_hidden_files_are_passed_over_and_hidden_parents_are_not(tmp_path):
    folder = tmp_path / ".cache" / "raw"
    (folder / ".thumbnails").mkdir(parents=True)
    portrait(0).save(folder / "a.png")
    portrait(1).save(folder / ".thumbnails" / "b.png")
    portrait(2).save(folder / ".hidden.png")
    assert reasons(clean_quietly(folder)) == {"a.png": ""}
