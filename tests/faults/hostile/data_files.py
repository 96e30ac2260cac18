"""Data files that are made to exhaust the memory, to take time, or to crash a parser."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.faults.hostile import Hostile, Place, write

AUDIT = ("data", "audit")
MB = 1 << 20
ROW = '{"instruction": "一", "output": "二"}\n'.encode()
LARGE = json.dumps({"instruction": "x", "output": "long" * 25_000}).encode() + b"\n"
EXPANDS, TOO_LONG, MEMORY, LIMITS = (
    "expands to more than",
    "of more than 16 MB",
    "MB of memory",
    "--limits 4",
)


def packed_zip(path: Path, members: dict[str, bytes]) -> None:
    """A zip of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def members(name: str, made: Callable[[], dict[str, bytes]]) -> Callable[[Place], None]:
    """Write a zip when the case runs."""
    return lambda place: packed_zip(place.project / name, made())


def gz(block: bytes, times: int, before: bytes = b"", after: bytes = b"") -> Callable[[], bytes]:
    """A block so many times, as gzip: a member for each costs nothing to make."""
    return lambda: gzip.compress(before) + gzip.compress(block) * times + gzip.compress(after)


def made(name: str, content: Callable[[], bytes]) -> Callable[[Place], None]:
    """Write a file when the case runs."""

    def make(place: Place) -> None:
        (place.project / name).write_bytes(content())

    return make


def bomb(name: str, content: Callable[[], bytes], *says: str, words: tuple[str, ...] = ()) -> Hostile:
    """A file that the audit refuses."""
    suffix = name.rpartition("/")[2]
    file = suffix.partition(" ")[0]
    return Hostile(name, made(file, content), (*AUDIT, file, *words), 2, (file, *says))


CELLS = '<row r="1"><c r="A1" t="inlineStr"><is><t>instruction</t></is></c></row>'
FAR = f'{CELLS}<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook(
    rows: str = CELLS,
    sheet: str = "xl/worksheets/sheet1.xml",
    name: str = "a",
    more: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """The parts of a workbook with one sheet, which lies anywhere."""
    target = f"/{sheet}" if not sheet.startswith("xl/") else sheet.removeprefix("xl/")
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>'
        f'<sheet name="{name}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship '
        f'Id="r1" Type="{REL}/worksheet" Target="{target}"/></Relationships>',
        sheet: f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    return {**{part: text.encode() for part, text in parts.items()}, **more}


def book(name: str, made: Callable[[], dict[str, bytes]], *says: str) -> Hostile:
    """A workbook that is refused."""
    return Hostile(name, members("a.xlsx", made), (*AUDIT, "a.xlsx"), 2, ("a.xlsx", *says))


def spreadsheet(often: str) -> dict[str, bytes]:
    """An OpenDocument sheet whose one cell is repeated."""
    names = " ".join(
        f'xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{one}:1.0"'
        for one in ("office", "table", "text")
    )
    repeat = f'table:number-columns-repeated="{often}" office:value-type="string"'
    cell = f"<table:table-cell {repeat}><text:p>x</text:p></table:table-cell>"
    body = f'<table:table table:name="a"><table:table-row>{cell}</table:table-row></table:table>'
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>{body}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": content.encode()}


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """A table as parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **{"compression": "zstd", **options})
    return out.getvalue()


def arrow(columns: dict[str, Any], compression: str | None = None) -> bytes:
    """A table as an arrow file."""
    import pyarrow as pa

    out, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as file:
        file.write_table(table)
    return out.getvalue()


def repeated(size: int, times: int) -> dict[str, Any]:
    """Two columns of one long text, stored once."""
    import pyarrow as pa

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array(["x" * size]))
    return {"instruction": texts, "output": texts}


def views() -> dict[str, Any]:
    """A thousand views of one text."""
    import pyarrow as pa

    view = struct.pack("<i4sii", MB // 8, b"xxxx", 0, 0)
    buffers = [None, pa.py_buffer(view * 1000), pa.py_buffer(b"x" * (MB // 8))]
    texts = pa.Array.from_buffers(pa.string_view(), 1000, buffers)
    return {"instruction": texts, "output": texts}


def nested(depth: int) -> dict[str, Any]:
    """A column of lists in each other."""
    import pyarrow as pa

    kind: Any = pa.string()
    value: Any = "x"
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    return {"instruction": pa.array([value], kind), "output": pa.array(["x"])}


def texts(*values: str) -> dict[str, Any]:
    """A small table."""
    return {"instruction": list(values), "output": list(values)}


def flipped(data: bytes, start: int, step: int) -> bytes:
    """A file with a byte changed now and then."""
    changed = bytearray(data)
    for at in range(start, len(data), step):
        changed[at] ^= 0x5A
    return bytes(changed)


def lying_zip() -> bytes:
    """A zip whose member is much larger than the directory says."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", b"\n" * (80 * MB))
    return out.getvalue().replace(struct.pack("<I", 80 * MB), struct.pack("<I", 100))


def zst(block: bytes, times: int) -> bytes:
    import zstandard

    return zstandard.compress(block) * times


def many_members() -> dict[str, bytes]:
    return {f"{number}.jsonl": b"" for number in range(20_000)}


def folder(files: Iterable[tuple[str, bytes]], *more: Callable[[Path], object]) -> Callable[[Place], None]:
    """A folder of data files."""

    def make(place: Place) -> None:
        inside = place.project / "folder"
        inside.mkdir()
        for name, content in files:
            (inside / name).write_bytes(content)
        for one in more:
            one(inside)

    return make


BLANKS = b"\n" * (8 * MB)
ITEMS = ("--items", "item")
LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a><item><q>&b;</q></item></a>'

CASES = (
    # Workbooks.
    book("a workbook with one cell far out", lambda: workbook(FAR), "SIGABRT", MEMORY, LIMITS),
    book("such a sheet outside xl/worksheets", lambda: workbook(FAR, "xl/else/where.xml"), MEMORY, LIMITS),
    book("such a sheet in upper case", lambda: workbook(FAR, "xl/WORKSHEETS/SHEET1.XML"), MEMORY, LIMITS),
    book("such a sheet without a suffix", lambda: workbook(FAR, "xl/sheet"), MEMORY, LIMITS),
    book(
        "a column of far cells",
        lambda: workbook(
            CELLS + "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, 2000))
        ),
        "a.xlsx",
    ),
    book(
        "shared strings that expand",
        lambda: workbook(
            more={
                "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>'.encode()
                + b"x" * (220 * MB)
                + b"</t></si></sst>"
            }
        ),
        MEMORY,
        LIMITS,
    ),
    book("a workbook that is a zip of nothing", dict, "cannot read the workbook"),
    book(
        "a workbook whose sheet is missing",
        lambda: {k: v for k, v in workbook().items() if "sheet1" not in k},
    ),
    book("a sheet that is no XML", lambda: workbook("<row"), "a.xlsx"),
    book("a sheet of elements in each other", lambda: workbook("<row>" * 200_000), "a.xlsx"),
    book("entities in a sheet", lambda: workbook("&lol;" * 1000), "a.xlsx"),
    Hostile(
        "a sheet's name with an escape sequence",
        members("a.xlsx", lambda: workbook(name="\u202e&#27;[31mx&#10;")),
        (*AUDIT, "a.xlsx", "--sheet", "b"),
        2,
        ("a.xlsx", "no sheet named"),
    ),
    bomb("a.xlsx of noise", lambda: bytes(range(256)) * 40, "cannot read the workbook"),
    bomb(
        "a.xls of noise after its mark", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 4096, "a.xls"
    ),
    bomb("a.xls without an end", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504, "a.xls"),
    *(
        Hostile(
            f"a cell that is repeated {often} times",
            lambda place, often=often: packed_zip(place.project / "a.ods", spreadsheet(often)),  # type: ignore[misc]
            (*AUDIT, "a.ods"),
            2,
            ("a.ods",),
        )
        for often in ("900000000", "-1")
    ),
    # Parquet and arrow.
    bomb("a.parquet of one text in every row", lambda: parquet(repeated(5 * MB, 500)), MEMORY, LIMITS),
    bomb("a.parquet of one text that is too long", lambda: parquet(repeated(20 * MB, 3)), MEMORY, LIMITS),
    bomb(
        "a.parquet of one text of 60 MB",
        lambda: parquet(repeated(60 * MB, 1), write_statistics=False),
        MEMORY,
        LIMITS,
    ),
    bomb("a.parquet that is cut off", lambda: parquet(texts("一"))[:-20], "not a valid parquet file"),
    bomb("a.parquet of its mark alone", lambda: b"PAR1" * 3, "not a valid parquet file"),
    bomb(
        "a.parquet with an endless footer",
        lambda: parquet(texts("一"))[:-8] + struct.pack("<I", 0x7FFFFFF0) + b"PAR1",
        "not a valid parquet file",
    ),
    bomb("a.parquet with broken pages", lambda: flipped(parquet(texts("一", "二")), 30, 7), "a.parquet"),
    bomb("a.parquet of lists in each other", lambda: parquet(nested(60)), "a.parquet"),
    bomb(
        "a.parquet whose columns have escape sequences",
        lambda: parquet({"\x1b[31m\u202e": ["x"], "\x1b]0;x\x07": ["y"]}),
        "no format",
    ),
    bomb("a.arrow of one text in every row", lambda: arrow(repeated(MB // 8, 1000)), EXPANDS, LIMITS),
    bomb("a.arrow of compressed blanks", lambda: arrow(texts(" " * (250 * MB)), "zstd"), MEMORY, LIMITS),
    bomb("a.arrow of views of one text", lambda: arrow(views()), EXPANDS, LIMITS),
    bomb("a.arrow that is cut off", lambda: arrow(texts("一" * 900))[:1500], "a.arrow"),
    bomb("a.arrow with broken buffers", lambda: flipped(arrow(texts("一", "二")), 500, 3), "a.arrow"),
    bomb("a.feather of noise", lambda: b"ARROW1\0\0" + b"\xff" * 5000, "not a valid arrow file"),
    # XML.
    bomb(
        "a.xml.gz of one endless text",
        gz(b"x" * (8 * MB), 20, b"<faq><item><q>", b"</q></item></faq>"),
        TOO_LONG,
        LIMITS,
        words=ITEMS,
    ),
    bomb(
        "a.xml.gz of one endless row",
        gz(b"<q>x</q>" * 9999, 900, b"<faq><item>", b"</item></faq>"),
        TOO_LONG,
        LIMITS,
        words=ITEMS,
    ),
    bomb(
        "a.xml.gz of endless rows",
        gz(b"<item><q>x</q><a>y</a></item>" * 9999, 300, b"<faq>", b"</faq>"),
        EXPANDS,
        words=ITEMS,
    ),
    bomb(
        "a.xml.gz of what is no row", gz(b"<other/>" * 99_999, 300, b"<faq>", b"</faq>"), EXPANDS, words=ITEMS
    ),
    bomb("a.xml.gz of blanks", gz(BLANKS, 20, b"<faq>", b"</faq>"), TOO_LONG, LIMITS, words=ITEMS),
    bomb(
        "a.xml of 100,000 elements in each other", lambda: b"<a>" * 100_000, "nested more than", words=ITEMS
    ),
    bomb("a.xml of such elements without --items", lambda: b"<a>" * 100_000, "nested more than"),
    bomb("a.xml of such elements in a row", lambda: b"<faq><item>" + b"<a>" * 100_000, "nested", words=ITEMS),
    bomb("a.xml of entities that multiply", LAUGHS.encode, "entities", words=ITEMS),
    bomb(
        "a.xml that reads a file",
        lambda: b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><item><q>&x;</q></item></a>',
        "entities",
        words=ITEMS,
    ),
    bomb(
        "a.xml of 50,000 attributes",
        lambda: b"<faq><item " + b"".join(b'a%d="1" ' % n for n in range(50_000)) + b"/></faq>",
        "a.xml",
        words=ITEMS,
    ),
    # Tables and text.
    bomb(
        "a.csv of 200,000 columns", lambda: ",".join(f"c{n}" for n in range(200_000)).encode(), "200000 cells"
    ),
    bomb("a.csv of 15 MB of commas", lambda: b"," * (15 * MB), "no"),
    bomb("a.csv.gz of one endless line", gz(b"x," * 99_999, 900), TOO_LONG, LIMITS),
    bomb(
        "a.csv of one endless cell",
        lambda: b'instruction,output\n"' + (b"x" * 99 + b"\n") * 170_000,
        TOO_LONG,
        LIMITS,
    ),
    bomb("a.csv.gz of blank lines", gz(BLANKS, 20, b"instruction,output\n", b"x,y\n"), EXPANDS, LIMITS),
    bomb("a.txt of one line of 17 MB", lambda: b"x" * (17 * MB), TOO_LONG, LIMITS),
    bomb("a.txt.gz of blank lines", gz(BLANKS, 20), EXPANDS, LIMITS),
    # JSON.
    bomb("a.jsonl of one line of 17 MB", lambda: b'{"a": "' + b"x" * (17 * MB) + b'"}', TOO_LONG, LIMITS),
    bomb("a.json of one value of 17 MB", lambda: b'[{"a": "' + b"x" * (17 * MB) + b'"}]', TOO_LONG, LIMITS),
    bomb("a.json of 100,000 lists", lambda: b"[" * 100_000, "a.json"),
    bomb("a.jsonl of 100,000 objects", lambda: b'{"a":' * 100_000, "a.jsonl"),
    bomb("a.jsonl of a number of 2 MB", lambda: b'{"instruction": ' + b"9" * (2 * MB) + b"}", "a.jsonl"),
    bomb("a.json of a number of 2 MB", lambda: b'[{"instruction": ' + b"9" * (2 * MB) + b"}]", "a.json"),
    bomb(
        "a.jsonl with escape sequences in a key",
        lambda: json.dumps({"\x1b[31m\u202e\x9b": 1}).encode(),
        "no format",
    ),
    # Compressed.
    bomb("a.jsonl.gz of gigabytes of blank lines", gz(BLANKS, 300, ROW, ROW), EXPANDS, LIMITS),
    bomb("a.jsonl.gz of gigabytes of spaces", gz(b" " * (8 * MB), 20, ROW), TOO_LONG, LIMITS),
    bomb("a.json.gz of blanks in an array", gz(BLANKS, 20, b"[", b"]"), EXPANDS, LIMITS),
    bomb("a.jsonl.gz of gigabytes of zeros", gz(b"\0" * (8 * MB), 20), TOO_LONG, LIMITS),
    Hostile(
        "a.jsonl.gz of UTF-16 blanks",
        made("a.jsonl.gz", gz("\n".encode("utf-16-le") * (4 * MB), 20, b"\xff\xfe")),
        ("data", "convert", "a.jsonl.gz", "--fix", "--out", "out.jsonl"),
        2,
        (EXPANDS, LIMITS),
    ),
    bomb("a.jsonl.gz of one row again and again", gz(LARGE * 9, 120), EXPANDS, LIMITS),
    bomb("a.jsonl.gz that is cut off", lambda: gzip.compress(ROW * 999)[:-9], "cannot decompress"),
    bomb("a.jsonl.gz of gzip in gzip", lambda: gzip.compress(gzip.compress(ROW)), "a.jsonl.gz"),
    bomb("a.jsonl.bz2 of blank lines", lambda: bz2.compress(BLANKS) * 20, EXPANDS, LIMITS),
    bomb("a.jsonl.xz of blank lines", lambda: lzma.compress(BLANKS) * 20, EXPANDS, LIMITS),
    bomb("a.jsonl.zst of blank lines", lambda: zst(BLANKS, 20), EXPANDS, LIMITS),
    bomb("a.jsonl.zst with a window of gigabytes", lambda: b"(\xb5/\xfd\x00\xa8" + b"\0" * 40, "a.jsonl.zst"),
    bomb("a.zip of a member larger than it says", lying_zip, "a.zip"),
    Hostile(
        "a zip of blank lines",
        members("a.zip", lambda: {"a.jsonl": BLANKS * 12}),
        (*AUDIT, "a.zip"),
        2,
        ("a.zip", EXPANDS, LIMITS),
    ),
    Hostile(
        "a zip of 20,000 members", members("a.zip", many_members), (*AUDIT, "a.zip"), 2, ("20000 data files",)
    ),
    Hostile(
        "a zip whose member has escape sequences in its name",
        members("a.zip", lambda: {"\x1b[31m\u202e/../../etc/x.jsonl": b"x"}),
        (*AUDIT, "a.zip"),
        2,
        ("a.zip",),
    ),
    Hostile(
        "a zip of a zip", members("a.zip", lambda: {"b.zip": b"PK"}), (*AUDIT, "a.zip"), 2, ("0 data files",)
    ),
    Hostile(
        "a workbook in a zip",
        members("a.zip", lambda: {"b.xlsx": b"PK"}),
        (*AUDIT, "a.zip"),
        2,
        ("unpack it",),
    ),
    # Folders, and what is not a regular file.
    Hostile(
        "a folder of 300 workbooks of noise",
        folder((f"{number}.xlsx", b"PK\x03\x04 noise") for number in range(300)),
        (*AUDIT, "folder"),
        2,
        ("folder/0.xlsx", "cannot read the workbook"),
    ),
    Hostile(
        "a pipe that nobody writes to",
        lambda place: os.mkfifo(place.project / "a.parquet"),
        (*AUDIT, "a.parquet"),
        3,
        ("not a regular file",),
    ),
    Hostile(
        "a pipe in a folder",
        folder([], lambda inside: os.mkfifo(inside / "a.jsonl")),
        (*AUDIT, "folder"),
        3,
        ("no data file in the folder",),
    ),
    Hostile(
        "a link to itself",
        lambda place: (place.project / "a.csv.gz").symlink_to("a.csv.gz"),
        (*AUDIT, "a.csv.gz"),
        3,
        ("a.csv.gz",),
    ),
    Hostile(
        "limits that are no number",
        write("a.csv", "q,a\n"),
        (*AUDIT, "a.csv", "--limits", "-1"),
        2,
        ("--limits",),
    ),
    Hostile(
        "limits of an entry that are endless",
        write("dataset_info/tiny.yaml", "file: data/tiny.jsonl\nlimits: 1000000\n"),
        ("plan", "small"),
        2,
        ("limits: must be a number from 1 to 1000",),
    ),
)
