"""Each component of the kit renders what it promises; all of them stand on the pattern page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import Client, RequestFactory
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.console import moments
from botplatform.console.templatetags import kit
from certificates.models import ClientCertificate
from certificates.templatetags import certificate_kit
from servicenodes.resolution import Effective, Rule
from servicenodes.templatetags import node_kit
from servicenodes.templatetags.node_kit import REASONS, reason_words
from servicenodes.timeline import Comparison, comparison, timeline
from servicenodes.tls.judgement import Reason
from servicenodes.tls.observation import Failure
from servicenodes.tls.verdict import Verdict
from servicenodes.views import patterns

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def render(source: str, **values: object) -> str:
    return Template("{% load kit certificate_kit node_kit %}" + source).render(Context(values))


@pytest.mark.parametrize("tone", ["ok", "warning", "error", "info", "neutral", "skipped", "running"])
def test_a_status_is_icon_and_words(tone: str) -> None:
    text = render("{% status tone 'Words' %}", tone=tone)
    assert "<use href=" in text
    assert "Words" in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_badge(verdict: Verdict) -> None:
    tone, words = node_kit.VERDICTS[verdict.value]
    text = render("{% verdict value %}", value=verdict.value)
    assert f"tone-{tone}" in text
    assert words in text


def test_no_badge_for_a_verdict_that_is_none() -> None:
    assert set(node_kit.VERDICTS) == {verdict.value for verdict in Verdict}
    assert "Never tested" in render("{% verdict None %}")


@pytest.mark.parametrize("state", ["queued", "running", "interrupted"])
def test_a_test_without_verdict_says_where_it_is(state: str) -> None:
    assert node_kit.STATES[state][1] in render("{% run_state state %}", state=state)


def test_findings_stand_worst_first_with_severity_in_words() -> None:
    text = render("{% finding_list findings %}", findings=list(reversed(patterns.FINDINGS)))
    assert text.index("Refuses") < text.index("Warning") < text.index("Note")
    assert "client_auth_missing" in text
    assert "No findings" in render("{% finding_list nothing %}", nothing=[])


def test_facts_and_chain_of_a_certificate() -> None:
    facts = patterns._facts("CN=acme\\, inc,O=Acme", "CN=ca", 12)
    text = render("{% certificate_facts facts %}", facts=facts)
    assert "RSA 2048" in text
    assert "3f:9a:12:c4" in text
    chain = render("{% chain_picture leaf links root %}", leaf=facts, links=[facts], root=facts)
    assert chain.count("signed by") == 2
    assert "acme, inc" in chain
    assert "not sent" in chain
    assert "Missing" in render("{% chain_picture leaf '' None True %}", leaf=facts)


def test_a_certificate_from_outside_cannot_write_html() -> None:
    hostile = patterns._facts("CN=<script>alert(1)</script>", "CN=<img src=x>", 3)
    text = render("{% certificate_facts c %}{% chain_picture c '' None %}", c=hostile)
    assert "<script>" not in text
    assert "<img" not in text


@pytest.mark.parametrize("rule", list(Rule))
def test_an_effective_certificate_says_why(rule: Rule) -> None:
    certificate = None if rule is Rule.NONE else ClientCertificate(name="shared")
    effective = Effective(certificate, rule)
    text = render("{% effective_certificate effective %}", effective=effective)
    assert effective.reason in text
    assert ("platform/shared" in text) is (certificate is not None)


def test_a_timeline_shows_what_is_done_and_what_is_to_come() -> None:
    done = timeline(patterns.STEPS[:2], finished=False)
    text = render("{% step_timeline steps %}", steps=done)
    assert text.count("done") == 2
    assert text.count("at work") == 1
    assert "to come" in text
    assert "to come" not in render("{% step_timeline s %}", s=timeline(patterns.STEPS, finished=True))


def test_the_attempts_are_compared_in_words() -> None:
    alert = {"name": "unknown_ca", "fatal": True, "received": True}
    control: dict[str, object] = {"sent": "empty", "http_status": None, "alerts": [alert], "ms": 1, "ending": "alert"}
    real = {"sent": "certificate", "http_status": 200, "alerts": [], "ms": 1, "ending": "data"}
    rows = comparison({"attempts": {"control": control, "real": real, "canary": None}})
    assert rows == [
        Comparison("We presented", "an empty answer", "a certificate", None),
        Comparison("How it ended", "the server sent an alert", "the server answered", None),
        Comparison("Alerts", "unknown ca", "—", None),
        Comparison("HTTP status", "—", "200", None),
        Comparison("Time", "1 ms", "1 ms", None),
    ]
    assert [row.differs for row in rows] == [True, True, True, True, False]
    assert comparison({}) == []
    assert comparison({"attempts": {"control": None, "real": real}}) == []


def test_a_step_left_out_on_purpose_is_not_called_unreached() -> None:
    step = {"name": "client_certificate", "status": "skipped", "ms": None}
    left_out = "No client certificate is configured for this call."
    states = [timeline([{**step, "detail": detail}], finished=True)[0].state for detail in (left_out, "Not reached.")]
    assert states == ["left out", "not reached"]


def test_every_reason_has_words() -> None:
    named = {str(reason) for reason in (*Reason, *Failure)}
    assert named == set(REASONS)
    assert reason_words("unable_to_get_local_issuer_certificate") == "Unable to get local issuer certificate"
    assert reason_words("dns_failed") == "Name not found (DNS)"


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(days=12, hours=1), "in 12 days"),
        (timedelta(days=45, hours=1), "in 45 days"),
        (timedelta(days=1), "in 1 day"),
        (timedelta(days=70), "in 2 months"),
        (timedelta(days=800), "in 2 years"),
        (timedelta(minutes=-3), "3 minutes ago"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=5), "in a moment"),
    ],
)
def test_times_in_words(delta: timedelta, words: str) -> None:
    assert moments.distance(NOW + delta, NOW) == words


def test_an_expiry_shows_the_absolute_time_and_its_tone() -> None:
    when = datetime.now(UTC) + timedelta(days=5)
    text = render("{% expires when %}", when=when)
    assert f'title="{when:%Y-%m-%d %H:%M:%S}' in text
    assert "tone-warning" in text
    assert "expired" in render("{% expires when %}", when="2020-01-01T00:00:00Z")
    alone = render("{% expires when False %}", when=when + timedelta(days=90))
    assert ">expires in 3 months</time>" in alone, "without the day nothing beside it says what is meant"
    assert "unknown" in render("{% expires None %}")
    assert "never" in render("{% moment None %}")
    assert moments.parse("nonsense") is None


def test_the_day_is_seen_without_a_pointer_and_in_utc() -> None:
    assert "26 Dec 2020" in render("{% expires when %}", when="2020-12-27T01:30:00+02:00")
    assert "Dec 2020" not in render("{% expires when False %}", when="2020-12-27T01:30:00+02:00").split(">", 1)[1]
    assert "1 Mar 2020" in render("{% moment when %}", when="2020-03-01T00:00:00Z")
    assert 'class="day"' not in render("{% moment when %}", when=datetime.now(UTC))
    assert render("{{ when|minute }}", when="2020-12-27T01:30:00+02:00") == "26 Dec 2020, 23:30"
    assert render("{{ when|minute }}", when=None) == "unknown"


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York"])
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_time_at_the_end_of_the_calendar_is_shown_in_any_zone(settings: Settings, zone: str, when: str) -> None:
    settings.TIME_ZONE = zone
    for component in ("expires", "moment"):
        assert f'datetime="{when[:4]}-' in render(f"{{% {component} when %}}", when=when)


def test_the_expiry_timeline_has_a_bar_of_parts_and_a_number_a_month() -> None:
    months = [(date(2026, 12, 1), {"leafs": 400, "roots": 0}), (date(2027, 1, 1), {"leafs": 100, "roots": 1})]
    text = render("{% expiry_timeline months %}", months=months)
    bars = re.findall(r'class="kind-(\d)" x="1" y="(\d+)" width="22" height="(\d+)"', text)
    assert bars == [("0", "8", "64"), ("0", "56", "16"), ("1", "52", "4")]  # one root among hundreds can be seen
    for told in (
        "<strong>400</strong>",
        "<strong>101</strong>",
        "leafs <strong>500</strong>",
        "roots <strong>1</strong>",
        "Jan 2027",
        "<td>100</td>",
    ):
        assert told in text
    assert (
        "kind-0" not in render("{% expiry_timeline months %}", months=[(date(2026, 12, 1), {"": 0})]).split("legend")[0]
    )


def test_a_fingerprint_and_a_command_can_be_copied() -> None:
    assert render("{% fingerprint 'abcd' 'it' %}").count("abcd") == 3
    assert 'data-copy-text="curl &quot;x&quot;"' in render("{% command_line text 'curl' %}", text='curl "x"')


def test_a_field_ties_label_help_and_error_to_the_control() -> None:
    form = patterns.PatternForm({"name": "x", "wrong": ""})
    text = render("{% for bound in form %}{% field bound %}{% endfor %}", form=form)
    assert 'aria-describedby="id_wrong_error"' in text
    assert 'id="id_wrong_error"' in text
    assert 'id="id_name_helptext"' in text
    assert 'for="id_name"' in text
    assert "is-invalid" in text


class SmallForm(forms.Form):
    name = forms.CharField(max_length=5)
    ticks = forms.MultipleChoiceField(choices=[("a", "A")], widget=forms.CheckboxSelectMultiple)
    secret = forms.CharField(max_length=5, widget=forms.PasswordInput)


@pytest.mark.parametrize(
    ("sent", "focused"),
    [
        (None, []),
        ({"name": "", "ticks": ["a"], "secret": ""}, ["input"]),
        ({"name": "x", "secret": ""}, ["fieldset"]),
        ({"name": "x", "ticks": ["a"], "secret": "x" * 6}, ["input"]),
    ],
)
def test_a_form_opens_at_its_first_error(sent: dict[str, Any] | None, focused: list[str]) -> None:
    form = SmallForm(sent)
    source = "{% include 'components/form_errors.html' %}{% for bound in form %}{% field bound %}{% endfor %}"
    text = render(source, form=form)
    assert re.findall(r"<(\w+)[^>]* autofocus", text) == focused
    assert "maxlength" not in text
    assert re.search(r'<input type="checkbox"[^>]* class="form-check-input"', text)
    if sent:
        form.add_error(None, "Not so.")
        assert re.findall(r"<(\w+)[^>]* autofocus", render(source, form=form)) == ["div"]


def test_pages_keep_the_filter() -> None:
    request = RequestFactory().get("/certificates/", {"q": "bank", "page": "2"})
    text = render("{% pagination page %}", page=Paginator(range(120), 50).get_page(2), request=request)
    assert "?q=bank&amp;page=3" in text
    assert "Page 2 of 3" in text
    assert not render("{% pagination page %}", page=Paginator([], 50).get_page(1), request=request).strip()


def test_empty_state_note_and_crumbs() -> None:
    assert "Do it" in render("{% empty_state 'robot' 'Nothing' 'Text' '/x/' 'Do it' %}")
    assert 'role="alert"' in render("{% note 'error' 'Sealed' 'alert' %}")
    assert '<a href="/bots/">Bots</a>' in render("{% crumbs 'Bots' '/bots/' %}")


def test_small_words() -> None:
    assert kit.words("certificate_manager") == "certificate manager"
    assert kit.fact({"from": None, "to": ["a", True]}) == "from: none; to: a, yes"
    assert kit.section("/bots/acme/nodes/x/") == "nodes"
    assert kit.section("/bots/acme/people/") == "bots"
    assert (
        kit.section("/bots/acme/certificate-request/")
        == kit.section("/platform/certificate-request/")
        == "certificates"
    )
    assert kit.section("/") == ""


def test_names_and_serials_are_spelt_as_commands_spell_them() -> None:
    assert certificate_kit.common_name("O=Acme,CN=bot") == "bot"
    assert certificate_kit.common_name("CN=ad\\e2\\80\\aemin") == "ad\\e2\\80\\aemin"
    assert certificate_kit.common_name("") == "(no name)"
    assert certificate_kit.serial("-abc") == "-0a:bc"


def test_what_the_platform_owns_has_its_own_routes() -> None:
    assert certificate_kit.owned_url("certificates:import", None) == "/platform/certificates/import/"
    assert certificate_kit.owned_url("certificates:import", Bot(slug="acme")) == "/bots/acme/certificates/import/"


@pytest.mark.django_db
def test_every_component_is_on_the_pattern_page(sign_in: Callable[[User], Client], stranger: User) -> None:
    page = sign_in(stranger).get("/patterns/")
    assert page.status_code == 200
    used = {template.name for template in page.templates}
    components = {"status", "note", "finding_list", "certificate_facts", "chain_picture", "expires", "moment"}
    components |= {
        "step_timeline",
        "expiry_timeline",
        "version_timeline",
        "effective",
        "field",
        "command_line",
        "fingerprint",
        "empty_state",
        "pagination",
    }
    assert {f"components/{name}.html" for name in components | {"crumbs"}} <= used


@pytest.mark.django_db
def test_the_pattern_page_leads_nowhere_that_is_not_there(sign_in: Callable[[User], Client], stranger: User) -> None:
    client = sign_in(stranger)
    links = set(re.findall(r'<a [^>]*href="(/[^"]*)"', client.get("/patterns/").content.decode()))
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
