"""A class and its archives, packed from names and contents: what the tests of the intake share."""

import io
import json
import tarfile
import zipfile

CELL = "# exercise: gae\ndef gae():\n    return 1\n"
GOOD = json.dumps({"cells": [{"cell_type": "code", "source": [CELL]}, {"cell_type": "markdown", "source": "x"}]})


def zipped(files, **how):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text, **how)
    return data.getvalue()


def tarred(files, mode="w:gz", links=()):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return data.getvalue()


def classed(folder, files, archive):
    """A class of these files, in a folder or in one archive."""
    folder.mkdir(parents=True, exist_ok=True)
    if archive:
        (folder / "class.zip").write_bytes(zipped(files))
        return folder / "class.zip"
    for name, data in files.items():
        (folder / "class" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "class" / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / "class"
