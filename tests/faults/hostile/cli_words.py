"""Words of the command line: options, names and values that no verb expects."""

from __future__ import annotations

from tests.faults.hostile import Hostile, nothing

LONG = "x" * 100_000
ESCAPE = "\x1b]0;owned\x07\x1b[31m"
SHOWN = r"\x1b]0;owned\x07\x1b[31m"
ROWS = "dataset_info/small.jsonl"


def typed(name: str, words: str | tuple[str, ...], code: int, *says: str, never: str = "") -> Hostile:
    """Words in a project that is as it should be."""
    words = tuple(words.split()) if isinstance(words, str) else words
    return Hostile(name, nothing, words, code, says, (never,) if never else ())


def setting(name: str, text: str, *says: str, never: str = "") -> Hostile:
    """A --set of `conch plan`."""
    return typed(name, ("plan", "small", "--set", text), 2, "--set", *says, never=never)


NAME = "is not a recipe name: it must be a name of small letters"
CASES = (
    typed("no such verb", "trian", 2, 'no verb named "trian"', "conch --help"),
    Hostile("an option with an escape", nothing, ("plan", f"--{ESCAPE}"), 2, (SHOWN,), also_json=True),
    Hostile("a recipe with an escape", nothing, ("plan", ESCAPE), 2, (SHOWN, NAME), also_json=True),
    typed("a recipe that turns its direction", ("plan", "\u202egnp.exe"), 2, r"\u202egnp.exe", NAME),
    typed("a recipe with a C1 control", ("plan", "\x9b31m"), 2, r"\x9b31m", NAME),
    typed("bytes that are no text", ("plan", "\udcff\udcfe"), 2, r"\udcff\udcfe", NAME),
    typed("a recipe of 100,000 letters", ("plan", LONG), 2, "xxx…", NAME, never="x" * 1000),
    typed("a recipe of nothing", ("plan", ""), 2, f'"" {NAME}'),
    typed("a recipe of blanks and a newline", ("plan", " \n\t"), 2, f'"" {NAME}'),
    typed("a recipe with a command in it", ("run", "small; id"), 2, f'"small; id" {NAME}'),
    typed("a recipe that is the root", "plan /", 2, "/  not a file"),
    typed("a recipe that is a device", "plan /dev/zero", 2, "device, not a file"),
    typed("a recipe that is memory", "plan /proc/self/mem", 2, "/proc/self/mem  cannot read it"),
    typed("a recipe that is no recipe", "plan /etc/passwd", 2, "/etc/passwd:1:1  the top", never="root:x"),
    setting("set without a value", "train.epochs", "must be KEY=VALUE"),
    setting("set of nothing", "=", '"" is not a dotted key'),
    Hostile(
        "set of an escape", nothing, ("plan", "small", "--set", f"{ESCAPE}=1"), 2, (SHOWN,), also_json=True
    ),
    setting("set of 100,000 dots", "." * 100_000 + "=1", "not a dotted key", never="." * 1000),
    setting("set of a key 10,000 deep", "a." * 10_000 + "a=1", "not a dotted key", never="a." * 500),
    setting(
        "set of 100,000 lists", "train.epochs=" + "[" * 100_000, "deeper than 32 levels", never="[" * 999
    ),
    setting("set of an alias of itself", "train=&a {b: *a}", "do not support aliases"),
    setting("set of a tag", "train.epochs=!!python/name:os.system", "do not support tags"),
    setting("set of a number without end", "train.epochs=1e999", "train.epochs: must be a number above 0"),
    setting("set of 5,000 digits", "train.seed=" + "9" * 5_000, "from 0 to 4294967295", never="9" * 500),
    setting("set of what Python keeps", "model.__class__=1", 'no key named "__class__"'),
    setting("set of a whole section", "model=1", "model: must be a mapping"),
    typed("set 3,000 times", ("plan", "small", *("--set", "train.epoch=1") * 3_000), 2, 'mean "epochs"?'),
    typed("a port of words", ("serve", "small", "--port", "80; id"), 2, "--port", "80; id"),
    typed("a port in fullwidth digits", "serve small --port ８０８０ --json", 3, "no finished export"),
    typed("a host that is an option", "serve small --host --help", 3, "--help is open to the network"),
    typed("a temperature that is no number", "chat small --temperature nan", 2, "nan is not a number"),
    typed("an interval that is no number", "watch small --every nan", 2, "nan is not a number"),
    typed("a hardware with an escape", ("plan", "small", "--hardware", ESCAPE), 2, "--hardware", SHOWN),
    typed("a base model that is a path", "pull ../../etc/passwd", 2, "neither embedded nor a hub id"),
    typed("a base model with an escape", ("pull", f"Qwen/{ESCAPE}"), 2, SHOWN, "write OWNER/NAME"),
    typed("a revision that is a path", "pull a/b --revision ../../main", 2, "'../../main' is no revision"),
    typed("a revision of nothing but dots", "pull a/b --revision ..", 2, "'..' is no revision"),
    typed("bases of nothing but commas", "compare --bases ,,,, --data small", 2, "at least two bases"),
    typed(
        "10,000 bases",
        ("compare", "--bases", ",".join(f"a/b{n}" for n in range(10_000)), "--data", "small"),
        2,
        "10000 bases; a comparison takes at most 32",
        never="a/b1000",
    ),
    typed("a share that is no number", f"data split {ROWS} --parts train=nan --out-dir x", 2, "above 0"),
    typed(
        "20,000 parts", ("data", "split", ROWS, "--parts", "train=1," * 20_000, "--out-dir", "x"), 2, "once"
    ),
    typed("a dataset's name that is a path", f"data add {ROWS} --recipe small --name ../../x", 2, "../../x"),
    typed(
        "a dataset's name with an escape",
        ("data", "add", ROWS, "--recipe", "small", "--name", ESCAPE),
        2,
        SHOWN,
    ),
    typed("a verb with an escape", (ESCAPE,), 2, SHOWN),
    typed("a verb of 100,000 letters", (LONG,), 2, never="x" * 20_000),
    typed("a port above all", ("serve", "small", "--port", "9" * 4000), 2, "--port"),
    typed("a host with an escape", ("serve", "small", "--host", ESCAPE), 3, SHOWN),
    typed("a column with an escape", ("data", "audit", ROWS, "--column", ESCAPE), 2, "--column", SHOWN),
    typed("an output that is a folder", f"data convert {ROWS} --out dataset_info", 2, "dataset_info  "),
    typed("an output that is the input", f"data convert {ROWS} --out {ROWS} --force", 2, "is the input"),
    typed("an output that is a device", f"data convert {ROWS} --out /dev/full --force", 2, "/dev/full"),
    typed("verdicts into a folder", "verify small --junit dataset_info", 2, "not a regular file", "--junit"),
    typed("lines without end", f"logs small -n {'9' * 30}", 2, "there is no run small"),
    typed("an environment that is a path", "env sync ../../x", 2, "'../../x' is not one of"),
    typed("a list of what is not", ("ls", ESCAPE), 2, SHOWN),
)
