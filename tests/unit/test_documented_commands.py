"""What the pages tell people to type is there: commands, flags, targets, resources, files, tests, tables, settings."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import Session

from paylake import cli, pipeline
from paylake.contracts import ALL
from paylake.contracts.views import VIEWS
from paylake.errors import PaylakeError
from paylake.settings import help_text

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("README.md", "*/README.md", "docs/operations/*.md", "infra/runbooks/*.md")
    for path in ROOT.glob(pattern)
)
SHELLS = ("", "bash", "console", "sh")
SEPARATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "(", ")", "|&"}
PLACEHOLDER = re.compile(r"^[A-Z][A-Z0-9_]*$|…|\.\.\.|[<{*$]")
"""What stands for something that the reader fills in."""
FOLDERS = ("docs", "infra", "k8s", "docker", "jobs", "libs", "scripts", "tests", "benchmarks", "notebooks")
AWS_BY_HAND = {"s3": {"cp", "ls", "rm", "sync"}, "eks": {"update-kubeconfig"}, "logs": {"tail"}}
"""Commands of AWS's command line that are no operation of a service."""
KUBECTL = {
    "apply", "delete", "describe", "diff", "exec", "get", "logs", "rollout", "scale", "set", "top", "wait", "patch",
    "config", "cordon", "drain", "port-forward", "create",
}  # fmt: skip
TERRAFORM = {"test", "init", "plan", "apply", "destroy", "output", "providers", "state", "import", "force-unlock", "show"}

DECLINED = {"KAFKA_TOPIC"}
"""Variables that a page names only to say that they are not read."""


class NotThere(AssertionError):
    """A page names something that is not there."""


# Reading a page


def commands_of(text: str) -> Iterator[list[str]]:
    """The commands that a page shows, in blocks and between backticks, as words."""
    blocks, inline = _code(text)
    for language, block in blocks:
        if language in SHELLS:
            yield from _commands(re.sub(r"\\\n\s*", " ", block))
    for span in inline:
        yield from _commands(span)


def _code(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Blocks with their language, and what stands between backticks elsewhere, each on one line."""
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```", text, re.M | re.S)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return blocks, [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", rest)]


def _commands(shell: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(shell, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set("();<>|&\n"):
                yield from _one(found)
                found = []
            else:
                found.append(word)
    except ValueError:  # an apostrophe in what a command prints
        return
    yield from _one(found)


def _one(words: list[str]) -> Iterator[list[str]]:
    """The command without a prompt, variables before it, and a comment after it."""
    hash_at = next((n for n, word in enumerate(words) if word.startswith("#")), len(words))
    words = words[:hash_at]
    while words and (words[0] in ("$", "export", "set", "-a", "time", "nice") or re.match(r"^[A-Za-z_]+=", words[0])):
        words = words[1:]
    if words:
        yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


# Checking a command


def check(words: Sequence[str]) -> None:
    """Raise NotThere where a command, or what it names, is not there; commands of others are let pass."""
    name, *rest = words
    checks: dict[str, Callable[[Sequence[str]], None]] = {
        "paylake": _check_paylake, "make": _check_make, "kubectl": _check_kubectl, "aws": _check_aws,
        "terraform": _check_terraform, "spark-submit": _check_job, "infra/stack.sh": _check_stack,
    }  # fmt: skip
    if name in checks and rest:
        checks[name](rest)
    elif name.endswith(".sh") and name.split("/")[0] in FOLDERS and not PLACEHOLDER.search(name):
        _check(os.access(ROOT / name, os.X_OK), f"{name} is no program")


def _check(holds: object, what: str) -> None:
    if not holds:
        raise NotThere(what)


@lru_cache
def _help(words: tuple[str, ...]) -> str:
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            code: object = cli.main([*words, "--help"])
    except SystemExit as end:
        code = end.code
    except PaylakeError as error:
        raise NotThere(str(error)) from None
    _check(code in (0, None), f"paylake {' '.join(words)} is no command")
    return said.getvalue()


def _check_paylake(words: Sequence[str]) -> None:
    if "…" in words and not words[words.index("…") - 1].startswith("-"):
        words = words[: words.index("…")]
    if "--" in words:
        words, of_job = words[: words.index("--")], words[words.index("--") + 1 :]
        for path in ROOT.glob(f"jobs/*/{words[2]}.py"):
            _check_job([str(path.relative_to(ROOT)), *of_job])
    free = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    if not free:
        return
    _check(words[0] in cli.COMMANDS, f"paylake {words[0]} is no command")
    described = _help(tuple(words[:free]))
    actions = re.search(r"usage: paylake [a-z-]+ ([a-z-]+(?:\|[a-z-]+)+)", _help((words[0],)))
    _check(actions is None or free < 2 or words[1] in actions[1].split("|"), f"paylake {words[0]} has no {words[1:2]}")
    _check_flags(words[free:], described, f"paylake {' '.join(words[:free])}")
    if words[0] == "sql":
        _check_tables(" ".join(words[1:]))


def _check_flags(words: Sequence[str], described: str, of: str) -> None:
    heads = {
        flag: rest for flag, rest in re.findall(r"^  (--[a-z0-9-]+),? ?(.*)$", described, re.M)
    }  # a flag, and what the help says of its value
    others = set(re.findall(r"--[a-z0-9-]+", " ".join(re.findall(r"Also ([^.]+)\.", re.sub(r"\s+", " ", described)))))
    others |= {flag for rest in heads.values() for flag in re.findall(r"--no-[a-z0-9-]+", rest)}
    rest = list(words)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if not flag.startswith("--"):
            continue
        spelled = flag.replace("_", "-")
        _check(spelled in heads or spelled in others or spelled == "--help", f"{of} has no {flag}")
        takes = heads.get(spelled, "")
        if spelled in others or spelled == "--help" or takes.startswith("--no-"):
            continue
        if not equals:
            _check(rest and not rest[0].startswith("--"), f"{of}: {flag} needs a value")
            value = rest.pop(0)
        choices = takes.split("|")
        if len(choices) > 1 and not PLACEHOLDER.search(value) and value.upper() != value:
            _check(value in choices, f"{of}: {flag} takes {takes}, not {value}")


def _check_job(words: Sequence[str]) -> None:
    path = next(word for word in words if word.endswith(".py"))
    _check((ROOT / path).is_file(), f"{path} is no job")
    if path.startswith("jobs/"):
        module = pipeline.job(path.removeprefix("jobs/"))
        (kind,) = [k for n, k in vars(module).items() if n.endswith("Settings") and k.__module__ == module.__name__]
        _check_flags(words[list(words).index(path) + 1 :], help_text(kind, path), path)


def _check_make(words: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        name, is_variable, _ = word.partition("=")
        if is_variable:
            _check(f"$({name})" in makefile, f"the Makefile reads no {name}")
        elif not PLACEHOLDER.search(word):
            _check(re.search(rf"^{re.escape(word)}:.*##", makefile, re.M), f"make has no target {word}")


@lru_cache
def _resources() -> frozenset[tuple[str, str, str]]:
    """Namespace, kind and name of what the base of the manifests holds, and of labels: "", "label", "key=value"."""
    found = set()
    for folder, namespace in ((ROOT / "k8s/base/streaming", "paylake"), (ROOT / "k8s/base/serving", "fraud-detection")):
        for file in folder.rglob("*.yaml"):
            if file.name == "kustomization.yaml" or file.parent.name in ("conf", "driver"):
                prefix, files = "", [file]
            else:
                said = file.parent / "kustomization.yaml"
                prefix = (yaml.safe_load(said.read_text()).get("namePrefix") or "") if said.is_file() else ""
                files = [file, *(folder / "driver").glob("*.yaml")] if prefix else [file]
            for document in (d for f in files for d in yaml.safe_load_all(f.read_text()) if isinstance(d, dict)):
                found |= {("", "label", f"{k}={v}") for k, v in _labels(document)}
                if "kind" in document and "metadata" in document:
                    found.add((namespace, document["kind"].lower(), prefix + document["metadata"]["name"]))
    return frozenset(found)


def _labels(document: Any) -> Iterator[tuple[str, str]]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("labels", "matchLabels", "includeSelectors", "pairs") and isinstance(value, dict):
                yield from ((k, v) for k, v in value.items() if isinstance(v, str))
            yield from _labels(value)
    elif isinstance(document, list):
        for one in document:
            yield from _labels(one)


def _check_kubectl(words: Sequence[str]) -> None:
    namespaces = {namespace for namespace, *_ in _resources() if namespace}
    rest, namespace, selector, free = list(words), None, None, []
    outside = {"kube-system", "monitoring", "amazon-cloudwatch"}
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if flag in ("-n", "--namespace", "-l", "--selector", "-f", "--filename"):
            value = value if equals else rest.pop(0)
            if flag in ("-n", "--namespace"):
                namespace = value
            elif flag in ("-l", "--selector"):
                selector = value
            else:
                _check(value.startswith(("build/", "-")) or (ROOT / value).exists(), f"kubectl: {value} is no file")
        elif flag == "--":
            break
        elif flag == "--from":
            free.append(value)
        elif not flag.startswith("-"):
            free.append(flag + equals + value)
    _check(free and free[0] in KUBECTL, f"kubectl {' '.join(free[:1])} is no command here")
    _check(namespace is None or namespace in namespaces | outside or PLACEHOLDER.search(namespace), f"no {namespace}")
    for part in (selector or "").split(","):
        if part and not PLACEHOLDER.search(part):
            _check(("", "label", part) in _resources(), f"no resource has the label {part}")
    kinds = {"deploy": "deployment", "hpa": "horizontalpodautoscaler", "pdb": "poddisruptionbudget", "svc": "service"}
    for word in free[1:]:
        kind, slash, name = word.partition("/")
        kind = kinds.get(kind, kind)
        if (
            slash
            and kind in ("cronjob", "deployment", "horizontalpodautoscaler", "job", "service")
            and not re.search(r"[A-Z]{3}|[<…$]", name)
        ):
            known = {(k, n) for space, k, n in _resources() if namespace in (None, space)}
            _check((kind, name) in known, f"there is no {word} in {namespace or 'any namespace'}")


def _check_aws(words: Sequence[str]) -> None:
    known = Session()
    rest = [w for w in words if not w.startswith("--profile") and not w.startswith("--region")]
    service, operation, flags = rest[0], rest[1], [w.partition("=")[0] for w in rest[2:] if w.startswith("--")]
    if operation in AWS_BY_HAND.get(service, ()):
        return
    service = {"s3api": "s3"}.get(service, service)
    _check(service in known.get_available_services(), f"aws has no {service}")
    model = known.get_service_model(service)
    operations = {_kebab(name): name for name in model.operation_names}
    _check(operation in operations, f"aws {service} has no {operation}")
    shape = model.operation_model(operations[operation]).input_shape
    members = {_kebab(name) for name in shape.members} if shape else set()
    for flag in flags:
        _check(flag[2:] in members | {"query", "output", "no-cli-pager", "max-items"}, f"aws {service} {operation}: {flag}")


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def _check_terraform(words: Sequence[str]) -> None:
    for word in words:
        flag, _, value = word.partition("=")
        if flag == "-chdir":
            _check((ROOT / value).is_dir(), f"terraform: there is no {value}")
    first = next((word for word in words if not word.startswith("-")), "")
    _check(first in TERRAFORM, f"terraform {first} is no command here")


def _check_stack(words: Sequence[str]) -> None:
    actions = re.search(r"case \$action in ([a-z |]+)\)", (ROOT / "infra/stack.sh").read_text())
    assert actions is not None
    _check(words[0] in {"bootstrap", *actions[1].replace(" ", "").split("|")}, f"infra/stack.sh has no {words[0]}")
    if words[0] != "bootstrap" and len(words) > 1 and not PLACEHOLDER.search(words[1]):
        _check((ROOT / "infra/terraform/live" / words[1]).is_dir(), f"there is no stack {words[1]}")


def _check_tables(statement: str) -> None:
    known = {c.name for c in ALL} | {v.name for v in VIEWS}
    for table in re.findall(r"\b(?:FROM|JOIN)\s+([a-z_][a-z_0-9]*)", statement):
        _check(table in known, f"there is no table or view {table}")


# Checking the rest of a page


def names_of(page: Path) -> Iterator[tuple[str, bool]]:
    """What else a page names, and whether it is there: files, tests, links, tables, variables."""
    text = page.read_text(encoding="utf-8")
    blocks, inline = _code(text)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        yield link, "://" in link or (page.parent / link).exists()
    words = [w for code in [*inline, *(block for _, block in blocks)] for w in re.split(r"[\s,;'\"()=]+", code)]
    for word in words:
        file, colons, test = word.partition("::")
        if file.split("/")[0] in FOLDERS and "/" in file and not re.search(r"[A-Z]{4}|…|[<$@:]|\.\.\.", file):
            found = [one for base in (ROOT, page.parent) for one in base.glob(file.rstrip("/."))]
            is_there = bool(found) and (not colons or f"def {test}(" in found[0].read_text(encoding="utf-8"))
            yield word, is_there or "build" in file.split("/")
    for span in inline:
        if re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", span):
            yield span, span in _sources() or span in DECLINED
        if re.fullmatch(r"v_[a-z_]+", span):
            yield span, span in {v.name for v in VIEWS}
    for series in re.findall(r"\bpaylake_[a-z]+_[a-z_]+\b", " ".join(words)):
        yield series, series in _monitored()


@lru_cache
def _sources() -> frozenset[str]:
    """Every word in capitals of the code, the manifests and the settings."""
    files = [p for folder in ("libs", "jobs", "k8s", "infra", "docker", ".github") for p in (ROOT / folder).rglob("*")]
    kept = [
        p for p in files if p.suffix in (".py", ".yaml", ".yml", ".tf", ".sh", ".env", ".conf") or p.name == "Dockerfile"
    ]
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*kept, ROOT / "Makefile", ROOT / ".env.example"] if p.is_file())
    return frozenset(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text))


@lru_cache
def _monitored() -> str:
    return "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "infra/monitoring").rglob("*") if p.is_file())


def sentences_of(text: str) -> Iterator[str]:
    """The parts of what a page quotes of our own messages, without what stands for something else."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    prose = re.sub(r"`[^`]*`", "…", prose)
    for quoted in re.findall(r'"([^"]{12,})"', re.sub(r"\s+", " ", prose)):
        yield from (part.strip(" ,.") for part in re.split(r"…|\b\d+\b", quoted) if len(part) > 12)


@lru_cache
def _messages() -> str:
    """The code, with texts that go on in the next line as one."""
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "libs/paylake").rglob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", code)


# Tests


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_command_of_a_page_is_there(page: Path) -> None:
    wrong = []
    for words in commands_of(page.read_text(encoding="utf-8")):
        try:
            check(words)
        except NotThere as error:
            wrong.append(f"{shlex.join(words)}: {error}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_everything_else_that_a_page_names_is_there(page: Path) -> None:
    assert [name for name, is_there in names_of(page) if not is_there] == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name == "operations"], ids=title)
def test_every_message_that_a_page_quotes_is_one_of_ours(page: Path) -> None:
    others = {"Java heap space"}
    quoted = set(sentences_of(page.read_text(encoding="utf-8"))) - others
    assert sorted(part for part in quoted if part not in _messages()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "paylake nightli --business-date 2026-01-15",
        "paylake nightly --buisness-date 2026-01-15",
        "paylake nightly --business-date",
        "paylake stream --ticks elsewere",
        "paylake broker strat",
        "paylake breaks lisst",
        "paylake sql 'SELECT * FROM v_match_rates'",
        "spark-submit jobs/batch/build_batch_index.py --bussiness-date 2026-01-15",
        "make dmeo",
        "make demo PAYMENT=5",
        "kubectl -n paylake rollout undo deployment/reconcile-ledger-driver",
        "kubectl -n fraud-detection logs deployment/reconcile-ledgers-driver",
        "kubectl -n paylakes get pods",
        "kubectl -n paylake get pods -l app.kubernetes.io/component=executer",
        "aws stepfunctions start-executions --state-machine-arn ARN",
        "aws stepfunctions start-execution --state-machine ARN",
        "infra/stack.sh nightli dev 2026-03-31",
        "infra/stack.sh up staging",
        "k8s/rollback.sh build/k8s/dev.yaml",
        "terraform -chdir=infra/terraform/live/test plan",
    ],
)
def test_a_command_that_is_not_there_is_found(wrong: str) -> None:
    (words,) = commands_of(f"```\n{wrong}   # and why\n```")
    with pytest.raises(NotThere):
        check(words)


def test_a_message_that_is_not_ours_is_found() -> None:
    (ours, others) = sentences_of('It says "The Kafka broker does not answer; …" or "The Kafka broker sleeps today".')
    assert ours in _messages()
    assert others not in _messages()


def test_a_page_is_read_as_a_person_reads_it() -> None:
    page = (
        'Run `make demo`, then\n```bash\n$ A=1 paylake sql "SELECT 1" \\\n  --lake LAKE && make test | tail -3  # so\n```\n'
    )
    assert list(commands_of(page)) == [
        ["paylake", "sql", "SELECT 1", "--lake", "LAKE"], ["make", "test"], ["tail", "-3"], ["make", "demo"],
    ]  # fmt: skip
