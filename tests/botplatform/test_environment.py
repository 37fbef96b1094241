"""Every wrong setting is one sentence that names its variable, and tells no password."""

from __future__ import annotations

from pathlib import Path

import pytest

from botplatform.environment import Environment, WrongSetting

PASSWORD = "s3cret-pw"


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment(tmp_path / ".env")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("database", value) for value in ("garbage", f"mysql://u:{PASSWORD}@h/x", "postgres://", "postgres://h:x/y")),
        *(("cache", value) for value in (f"foo://:{PASSWORD}@h", "garbage")),
        *(("email", value) for value in (f"foo://u:{PASSWORD}@h", "garbage")),
        *(("zone", value) for value in ("Mars/X", "../../etc/passwd", "")),
        *(("flag", value) for value in ("maybe", "2")),
        *(("hosts", value) for value in ("https://a.example", "a.example:8000")),
        *(
            ("origin", value)
            for value in ("a.example", "ftp://a.example", "https://a.example/x", "https://", "http://[", "http://a:x")
        ),
    ],
)
def test_a_wrong_value(env: Environment, monkeypatch: pytest.MonkeyPatch, kind: str, value: str) -> None:
    monkeypatch.setenv("THE_SETTING", value)
    arguments = () if kind == "flag" else ("",)
    with pytest.raises(WrongSetting, match=r"^THE_SETTING ") as wrong:
        getattr(env, kind)("THE_SETTING", *arguments)
    assert PASSWORD not in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("value", ["abc", "-1", "0", "61", "1.5", "²", "9" * 9000])
def test_a_wrong_number(env: Environment, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("THE_SETTING", value)
    with pytest.raises(WrongSetting, match=r"^THE_SETTING must be a whole number from 1 to 60"):
        env.number("THE_SETTING", 10, least=1, most=60)


def test_right_values(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.number("THE_SETTING", 10, least=1, most=60) == 10
    assert env.flag("THE_SETTING") is False
    for text, expected in (("true", True), ("On", True), ("0", False), ("no", False)):
        monkeypatch.setenv("THE_SETTING", text)
        assert env.flag("THE_SETTING") is expected
    monkeypatch.setenv("THE_SETTING", " a.example, b.example,a.example ,")
    assert env.hosts("THE_SETTING", []) == ["a.example", "b.example"]
    monkeypatch.setenv("THE_SETTING", "https://a.example:8443/")
    assert env.origin("THE_SETTING", "") == "https://a.example:8443"


def test_a_value_from_a_file(env: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "value"  # a name of its own: the reader keeps what it read from a file
    monkeypatch.setenv("FROM_A_FILE_FILE", str(path))
    with pytest.raises(WrongSetting, match=r"^FROM_A_FILE_FILE names .*value, which cannot be read: No such file"):
        env.text("FROM_A_FILE")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongSetting, match=r"^FROM_A_FILE_FILE names a file that holds no text"):
        env.text("FROM_A_FILE")
    path.write_text("value\n")
    assert env.text("FROM_A_FILE") == "value"
