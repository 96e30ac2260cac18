"""Each format gives its rows with their places; what is wrong in a file is a finding with a place."""
# Covers execute/data/readers/

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.entry import SUFFIXES as ALLOWED
from orchestrator.errors import UsageError
from orchestrator.execute.data.data_file import SUFFIXES, DataFile, Reading

ROOM = Path(__file__).parents[4] / "orchestrator/execute/data/readers"
ROWS = [{"问题": "一", "答案": "二"}, {"问题": "三", "答案": "NA"}]


def read(path: Path, **reading: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """(place, row or kind of problem), and the notes."""
    with DataFile.open(path, path.name, Reading(**reading)) as file:
        rows = [
            (file.locate(number), row.kind if isinstance(row, RowProblem) else row)
            for number, row in file.rows()
        ]
        return rows, file.notes


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, **reading: Any) -> str:
    with pytest.raises(UsageError) as raised:
        read(path, **reading)
    return str(raised.value)


def test_every_suffix_that_can_be_read_may_stand_in_an_entry() -> None:
    assert set(ALLOWED) == set(SUFFIXES)


def test_every_reader_is_on_the_board() -> None:
    text = (ROOM / "__init__.py").read_text(encoding="utf-8")
    readers = [path.stem for path in ROOM.glob("*.py") if "\ndef read(source" in path.read_text("utf-8")]
    assert len(readers) > 5
    assert all(f"{name}.read," in text for name in readers)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "问题,答案\n一,二\n三,NA\n"),
        ("a.CSV", "\ufeff问题,答案\r\n一,二\r\n三,NA\r\n"),
        ("a.csv", "问题;答案\n一;二\n三;NA\n"),
        ("a.csv", "问题|答案\n一|二\n三|NA\n"),
        ("a.tsv", "问题\t答案\n一\t二\n三\tNA"),
    ],
)
def test_a_table_is_read_whatever_divides_its_columns(tmp_path: Path, name: str, text: str) -> None:
    rows, notes = read(written(tmp_path, name, text))
    assert rows == [(f"{name}:2", ROWS[0]), (f"{name}:3", ROWS[1])]
    assert bool(notes) == any(mark in text for mark in ";|")


def test_a_table_s_odd_rows_have_their_physical_lines(tmp_path: Path) -> None:
    text = 'q,a\n"一\n,""二""",NA\n\n三\n"五"x,六\n七,007\n八,\n"九,十\n'
    assert read(written(tmp_path, "a.csv", text))[0] == [
        ("a.csv:2", {"q": '一\n,"二"', "a": "NA"}),
        ("a.csv:5", "ragged row"),
        ("a.csv:6", "not CSV"),
        ("a.csv:7", {"q": "七", "a": "007"}),
        ("a.csv:8", {"q": "八", "a": ""}),
        ("a.csv:9", "not CSV"),
    ]
    bad = "q,a\n一,二\n".encode() + b"\xff,b\n" + "三,四\n".encode()
    assert read(written(tmp_path, "b.csv", bad))[0][1:] == [
        ("b.csv:3", "encoding"),
        ("b.csv:4", {"q": "三", "a": "四"}),
    ]
    assert read(written(tmp_path, "c.csv", "感冒了怎么办？,多喝水。\n"))[0] == [("c.csv:1", "no header")]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_another_encoding_is_named_and_read_on_request(tmp_path: Path, encoding: str) -> None:
    text = "问题,答案\n感冒了应该怎么办呢,多喝水多休息\n"
    path = written(tmp_path, "a.csv", text.encode(encoding))
    assert read(path)[0] == [("a.csv:1", "encoding")]
    rows, notes = read(path, fix=True)
    assert rows == [("a.csv:2", {"问题": "感冒了应该怎么办呢", "答案": "多喝水多休息"})]
    assert notes == [f"read as {encoding}"]
    lines = written(tmp_path, "a.jsonl", '{"问题": "感冒了应该怎么办呢"}\n{"问题": "一"}\n'.encode(encoding))
    assert read(lines)[0] == [("a.jsonl:1", "encoding")]
    assert read(lines, fix=True)[0][1] == ("a.jsonl:2", {"问题": "一"})


def workbook(path: Path, sheets: dict[str, Any]) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_s_cells_are_text_as_they_are_displayed(tmp_path: Path) -> None:
    cells = [[None], ["问题", "答案"], ["一", 3.0], [dt.date(2024, 1, 5), True], [None, None], [2.5, None]]
    path = workbook(tmp_path / "a.xlsx", {"问答": cells, "空": []})
    rows, notes = read(path)
    assert rows == [
        ("a.xlsx!问答:3", {"问题": "一", "答案": "3"}),
        ("a.xlsx!问答:4", {"问题": "2024-01-05", "答案": "TRUE"}),
        ("a.xlsx!问答:6", {"问题": "2.5", "答案": ""}),
    ]
    assert "问答" in notes[0]


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"甲": [["q"], ["一"]], "乙": [["q"], ["二"]], "丙": []})
    assert "2 sheets are not empty: 甲, 乙" in refused(path)
    assert "sheets: 甲, 乙, 丙" in refused(path, sheet="丁")
    assert read(path, sheet="乙")[0] == [("a.xlsx!乙:2", {"q": "二"})]
    assert "every sheet is empty" in refused(workbook(tmp_path / "b.xlsx", {"甲": []}))
    assert "cannot read the workbook" in refused(written(tmp_path, "c.xlsx", "嗯"))


XML = """<?xml version="1.0" encoding="utf-8"?>
<faq xmlns="urn:x">
 <meta><v>1</v></meta>
 <item id="1">
  <q>一&lt;</q>
  <a>二</a><a>三</a>
 </item>
 <item id="2"><q>四</q><a/></item>
</faq>
"""


def test_an_element_of_xml_is_a_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.xml", XML)
    for items in ("item", "faq/item"):
        assert read(path, items=items)[0] == [
            ("a.xml:4", {"id": "1", "q": "一<", "a": ["二", "三"]}),
            ("a.xml:8", {"id": "2", "q": "四", "a": ""}),
        ]
    assert "--items item (2 of them)" in refused(path)
    assert read(path, items="nichts")[0] == [("a.xml:1", "no rows")]
    cut = written(tmp_path, "b.xml", XML[:140])
    assert read(cut, items="item")[0][-1][1] == "not XML"


def test_entities_of_xml_are_never_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a><b><c>&z;</c></b></a>'
    assert read(written(tmp_path, "a.xml", bomb), items="b")[0] == [("a.xml:1", "not XML")]
    outside = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><b><c>&x;</c></b></a>'
    assert read(written(tmp_path, "b.xml", outside), items="b")[0] == [("b.xml:1", "not XML")]


def test_xml_is_forgotten_while_it_is_read(tmp_path: Path) -> None:
    import tracemalloc

    rows = "".join(f"<item><q>{number}</q><a>{'答' * 100}</a></item>\n" for number in range(8000))
    path = written(tmp_path, "a.xml", f"<faq>{rows}</faq>")
    with DataFile.open(path, "a.xml", Reading(items="item")) as file:
        tracemalloc.start()
        count = sum(1 for _ in file.rows())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 8000
    assert peak < 2_500_000


def test_parquet_and_arrow_of_any_kind_of_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(ROWS, pa.schema([("问题", pa.string_view()), ("答案", pa.large_string())]))
    plain = table.cast(pa.schema([("问题", pa.string()), ("答案", pa.large_string())]))
    pq.write_table(plain, tmp_path / "a.parquet")
    with pa.ipc.new_file(str(tmp_path / "a.feather"), table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as stream:
        stream.write_table(table)
    for name in ("a.parquet", "a.feather", "a.arrow"):
        assert read(tmp_path / name)[0] == [(f"{name}:1", ROWS[0]), (f"{name}:2", ROWS[1])]
        whole = (tmp_path / name).read_bytes()
        assert "not a valid" in refused(written(tmp_path, f"bad{Path(name).suffix}", b"nichts"))
        cut = refused(written(tmp_path, f"cut{Path(name).suffix}", whole[:-120]))
        assert "not a valid" in cut or "damaged" in cut


def test_a_damaged_offset_of_an_arrow_file_is_not_followed(tmp_path: Path) -> None:
    """Followed, it leads out of the file, and the process ends by SIGSEGV or SIGBUS."""
    import pyarrow as pa

    table = pa.Table.from_pylist([{"text": "一"}, {"text": "二"}])
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as stream:
        stream.write_table(table)
    offsets = [at.to_bytes(4, "little") for at in (0, 3, 6)]
    whole = (tmp_path / "a.arrow").read_bytes()
    assert b"".join(offsets) in whole
    offsets[1] = b"\xff\xff\xff\x7f"
    damaged = whole.replace(b"".join(at.to_bytes(4, "little") for at in (0, 3, 6)), b"".join(offsets))
    assert "damaged after row 0" in refused(written(tmp_path, "b.arrow", damaged))


def test_an_arrow_file_without_columns_is_refused_whatever_its_count_of_rows(tmp_path: Path) -> None:
    import pyarrow as pa

    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), batch.schema) as file:
        file.write_batch(batch)
    assert "no columns" in refused(tmp_path / "a.arrow")


def test_a_parquet_file_with_a_broken_column_name_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([{"text": "一"}]), tmp_path / "a.parquet", store_schema=False)
    broken = (tmp_path / "a.parquet").read_bytes().replace(b"text", b"te\xfft")
    assert "not a valid parquet file" in refused(written(tmp_path, "b.parquet", broken))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table([["一"], ["二"]], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as file:
        file.write_table(table)
    assert all('named "text"' in refused(tmp_path / name) for name in ("a.parquet", "a.arrow"))


def test_a_workbook_with_a_broken_directory_is_refused(tmp_path: Path) -> None:
    whole = (Path(__file__).parents[3] / "datasets/corpus/64_book.xlsx").read_bytes()
    broken = whole.replace(b"PK\x01\x02", b"PK\x01\x03", 1)
    assert "cannot read the workbook" in refused(written(tmp_path, "a.xlsx", broken))


def test_a_workbook_with_one_cell_far_out_is_refused(tmp_path: Path) -> None:
    """The parser would ask for 400 GB, and the process would be aborted."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"] = "问题"
    book.active["A2"] = "一"
    book.active["XFD9"].font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx")[0] == [("a.xlsx!Sheet:2", {"问题": "一"})]
    book.active["XFD1048576"] = "远"
    book.save(tmp_path / "a.xlsx")
    assert "crashed (SIGABRT): it is damaged, or takes more than 208 MB" in refused(tmp_path / "a.xlsx")


def test_xml_in_an_encoding_that_does_not_exist_is_a_finding(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.xml", '<?xml version="1.0" encoding="utf-x"?><faq><item><a>一</a></item></faq>'
    )
    assert [row for _, row in read(path, items="faq/item")[0]] == ["not XML"]
    assert "unknown encoding" in refused(path)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_a_text_in_another_encoding_is_a_finding(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "a.txt", "第一段\n第二段\n".encode(encoding))
    assert [row for _, row in read(path)[0]] == ["encoding"]
    rows, _ = read(path, fix=True)
    assert [row for _, row in rows] == [{"text": "第一段"}, {"text": "第二段"}]


def test_a_line_of_text_is_a_document(tmp_path: Path) -> None:
    text = "\ufeff第一段 \n\n第二段\n".encode() + b"\xff\n"
    assert read(written(tmp_path, "a.txt", text))[0] == [
        ("a.txt:1", {"text": "第一段"}),
        ("a.txt:3", {"text": "第二段"}),
        ("a.txt:4", "encoding"),
    ]


def test_fixed_lines_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{\'a\': \'一\'}\n{"a": "二",}\n{"a": 3}\n{"a\n')
    assert [row for _, row in read(path)[0]] == ["not JSON", "not JSON", {"a": 3}, "not JSON"]
    rows, notes = read(path, fix_json=True)
    assert [row for _, row in rows] == [{"a": "一"}, {"a": "二"}, {"a": 3}, "not JSON"]
    assert notes == ["2 lines of broken JSON were repaired, the first at a.jsonl:1, a.jsonl:2"]


def test_a_wrapper_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", '{"版本": 1, "data": [\n{"问题": "一", "答案": "二"}\n]}')
    assert read(path) == ([("a.json:2", ROWS[0])], ['the rows are the list under "data"'])


@pytest.mark.parametrize(
    ("items", "rows"),
    [
        ("line", [("a.txt:2", "一"), ("a.txt:3", "二"), ("a.txt:6", "三")]),
        ("paragraph", [("a.txt:2", "一\n二"), ("a.txt:6", "三")]),
        ("file", [("a.txt:2", "一\n二\n\n\n三")]),
    ],
)
def test_a_row_of_a_text_is_a_line_a_paragraph_or_the_file(
    tmp_path: Path, items: str, rows: list[tuple[str, str]]
) -> None:
    path = written(tmp_path, "a.txt", "\n一\n二  \n\n\n三\n".encode())
    assert read(path, items=items)[0] == [(where, {"text": text}) for where, text in rows]
