"""What customers pay, from a company's CSV files to what a person sees, with commands alone."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from models.amount_model import AmountLaw, AmountModel
from models.predictor import LinearPart
from tests.fakes.paying_company import export_paying
from tests.golden.product import Run, leadscore
from tests.serving.conftest import Company

PAID = """
    select {group} as name, count(distinct l.lead_id) as customers,
      coalesce(sum(case when p.kind = 'refund' then -p.amount else p.amount end), 0) as paid
    from read_csv('{folder}/leads.csv') l
    left join read_csv('{folder}/payments.csv', types = {{'amount': 'DECIMAL(18,2)'}}) p
      on p.lead_id = l.lead_id and p.paid_at >= l.converted_at and p.paid_at < '{until}'
    where l.converted_at < '{until}' group by 1 order by 3 desc
"""


@dataclass(frozen=True, slots=True)
class PayingCompany:
    """A company that exported its files and runs the commands."""

    folder: Path
    state: Path

    @property
    def file(self) -> Path:
        return self.folder / "acme.toml"

    def go(self, verb: str, *options: object, code: int = 0) -> Run:
        run = leadscore(verb, self.file, *options, "--state", self.state, "--threads", 1)
        assert run.code == code, run.out + run.err
        return run

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text("utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), "utf-8")

    def paid(self, group: str, until: str = "2026-11-01") -> list[tuple[str, int, float]]:
        rows = duckdb.sql(PAID.format(group=group, folder=self.folder, until=until)).fetchall()
        return [(str(name), int(customers), float(paid)) for name, customers, paid in rows]

    def page(self, *options: object, language: str = "en") -> str:
        place = self.state / f"pages-{language}"
        self.go("report", "--lang", language, "--out", place, *options)
        return (place / f"report-{language}.html").read_text("utf-8")

    def scores(self) -> pd.DataFrame:
        return pq.read_table(self.state / "scores.parquet").to_pandas().set_index("lead_id")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> PayingCompany:
    """Go from the exported files to a champion; the project file is as `init` wrote it."""
    place = tmp_path_factory.mktemp("acme")
    acme = PayingCompany(export_paying(place / "files"), place / "state")
    files = [acme.folder / f"{name}.csv" for name in ("leads", "touches", "payments")]
    started = leadscore("init", *files, "--yes", "--out", acme.file)
    assert started.code == 0, started.err
    acme.edit(
        "[leads]", 'observed_until = "2026-11-01"\n\n[train]\nlearner = "logistic"\n\n[leads]'
    )
    checked = leadscore("check", acme.file)
    assert re.search(r"amount +payment +outcome", checked.out)
    trained = acme.go("train", "--fast")
    assert "amounts: learned from what" in trained.out
    acme.go("score")
    return acme


@pytest.fixture
def copy(acme: PayingCompany, tmp_path: Path) -> PayingCompany:
    """The same company, to be changed."""
    shutil.copytree(acme.folder, tmp_path / "files")
    shutil.copytree(acme.state, tmp_path / "state")
    return PayingCompany(tmp_path / "files", tmp_path / "state")


def tables_of(page: str) -> list[list[list[str]]]:
    """Read the tables under "What customers pay": rows of cells, without the header."""
    part = page[page.index('id="value"') :]
    part = part[: part.index('class="quiet"')]
    tables = re.findall(r"<tbody>(.*?)</tbody>", part, re.DOTALL)
    return [
        [
            [unescape(re.sub(r"<[^>]+>", "", cell)).strip("\u2068\u2069 ") for cell in cells]
            for cells in (
                re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
                for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
            )
        ]
        for table in tables
    ]


def euros(amount: float) -> str:
    return f"€{amount:,.2f}".replace("€-", "-€")


def test_lifetime_value_stands_in_the_report_right_to_the_cent(acme: PayingCompany) -> None:
    page = acme.page()
    sources, months = tables_of(page)
    assert [tuple(row[:3]) for row in sources] == [
        (name, f"{customers:,}", euros(paid)) for name, customers, paid in acme.paid("source")
    ]
    whole = acme.paid("'all'")[0]
    assert f"{whole[1]:,} customers paid {euros(whole[2])} so far." in unescape(page)
    by_month = {name: paid for name, _, paid in acme.paid("strftime(l.converted_at, '%Y-%m')")}
    newest = sorted(by_month)[-12:]
    shown = {row[0]: row[2] for row in months}
    for name in newest:
        day = pd.Timestamp(f"{name}-01")
        assert shown[f"{day:%b} {day.day}, {day.year}"] == euros(by_month[name])
    before = sum(paid for name, paid in by_month.items() if name not in newest)
    assert shown["before"] == euros(before)


def test_each_figure_that_is_no_fact_has_its_range(acme: PayingCompany) -> None:
    sources, months = tables_of(acme.page())
    for row in [*sources, *months]:
        value = float(re.sub(r"[€,]", "", row[3]))
        low, high = (float(re.sub(r"[€,]", "", side)) for side in row[4].split(" to "))
        assert low <= value <= high
    ranges = [re.split(" to ", row[4]) for row in months]
    assert ranges[0][0] != ranges[0][1]  # the newest customers are still to pay
    assert ranges[-1][0] == ranges[-1][1]  # the oldest paid what they pay


def test_an_open_lead_is_expected_to_bring_its_chance_times_its_amount(acme: PayingCompany) -> None:
    scores = acme.scores()
    assert (scores["expected_value"] - scores["probability"] * scores["amount"]).abs().max() < 1e-9
    sizes = pd.read_csv(acme.folder / "leads.csv").set_index("lead_id")["company_size"]
    means = scores["amount"].groupby(sizes.loc[scores.index].to_numpy()).mean()
    assert means["large"] > 2 * means["medium"] > 2 * means["small"]
    best = scores.sort_values("probability").iloc[-1]
    assert f"€{best['expected_value']:,.0f}" in acme.page()


def test_the_amount_that_a_lead_has_itself_comes_first_and_profit_counts_it(
    copy: PayingCompany,
) -> None:
    leads = pd.read_csv(copy.folder / "leads.csv", dtype=str)
    leads["amount_hoped"] = [f"{100 + i % 7}.25" if i % 2 else "" for i in range(len(leads))]
    leads.to_csv(copy.folder / "leads.csv", index=False)
    copy.edit('channel = "source"', 'channel = "source"\nvalue = "amount_hoped"')
    copy.edit("[report]", "[report]\ncapacity_per_week = 30\ncost_per_contact = 2")
    before = copy.scores()["amount"]
    copy.go("score")
    scores = copy.scores()
    hoped = pd.to_numeric(leads.set_index("lead_id")["amount_hoped"]).loc[scores.index]
    own = hoped.notna()
    assert (scores["amount"][own] == hoped[own]).all()
    assert (scores["amount"][~own] - before[~own]).abs().max() < 1e-9
    called = scores.sort_values("probability", ascending=False).iloc[:30]
    profit = called["expected_value"].sum() - 2 * len(called)
    page = copy.page()
    data = json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0]
    )
    assert data["profit"] == "Profit {amount}."
    assert data["capacity"] == 30
    points = {point[0]: point for point in data["plans"]["chance"]}
    assert points[30][4] == pytest.approx(profit, abs=0.51)
    assert points[30][5] == pytest.approx(called["expected_value"].sum(), abs=0.51)
    # worked by value, the page names the number of calls after which profit falls
    gains = (scores["expected_value"].sort_values(ascending=False) - 2).cumsum().to_numpy()
    best = int(gains.argmax()) + 1
    told = unescape(re.sub(r"</?bdi>", "", page))
    if best < len(gains):
        assert f"profit is largest with {best:,} calls (€{gains.max():,.0f})" in told
    else:
        assert "Every lead of the list is expected to bring more than the €2 of a contact." in told


def test_a_report_of_a_past_day_sees_no_later_payment(acme: PayingCompany) -> None:
    until = "2026-06-01"
    sources, _ = tables_of(acme.page("--as-of", until))
    assert [tuple(row[:3]) for row in sources] == [
        (name, f"{customers:,}", euros(paid))
        for name, customers, paid in acme.paid("source", until)
    ]


def test_money_changes_no_feature_and_no_score(copy: PayingCompany) -> None:
    """A plant: payments that tell who converts, some of them dated before the conversion."""
    copy.go("score", "--accept")
    before = copy.scores()
    leads = pd.read_csv(copy.folder / "leads.csv")
    payments = pd.read_csv(copy.folder / "payments.csv")
    plant = pd.DataFrame(
        {
            "lead_id": leads["lead_id"],
            "paid_at": leads["created_at"],
            "amount": 1_000_000.0 * leads["converted_at"].notna() + 1,
            "kind": "payment",
            "currency": "EUR",
        }
    )
    pd.concat([payments, plant]).to_csv(copy.folder / "payments.csv", index=False)
    copy.go("train", "--fast")
    copy.go("score", "--model", "2", "--accept")
    after = copy.scores()
    same = ["score", "probability", "margin", "amount", "expected_value"]
    pd.testing.assert_frame_equal(before[same], after[same])
    names = pq.read_schema(next((copy.state / "scores").glob("*/features.parquet"))).names
    assert not [name for name in names if "paid" in name or "amount" in name]


def test_a_forgotten_lead_leaves_no_amount_behind(copy: PayingCompany) -> None:
    who = copy.scores().index[0]
    assert leadscore("forget", copy.file, who, "--state", copy.state).code == 0
    assert who not in copy.scores().index
    for path in (copy.state / "scores").glob("*/*.parquet"):
        table = pq.read_table(path).to_pylist()
        assert not [row for row in table if who in row.values()]


@pytest.mark.parametrize("language", ["it", "fr", "fa"])
def test_the_part_stands_in_every_language(acme: PayingCompany, language: str) -> None:
    page = acme.page(language=language)
    assert "What customers pay" not in page
    assert len(tables_of(page)) == 2


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("amount", "lots", "payments.csv, row 3, column amount: is no amount: 'lots'"),
        ("currency", "USD", "payments.csv, row 3, column currency: is in 'USD'"),
        ("amount", "1e300", "payments.csv, row 3, column amount: is no amount: '1e300'"),
        ("amount", "999999999999999999", "is no amount: larger than can be counted exactly"),
    ],
)
def test_a_wrong_amount_is_one_clear_line(
    copy: PayingCompany, column: str, value: str, said: str
) -> None:
    payments = pd.read_csv(copy.folder / "payments.csv", dtype=str)
    payments.loc[1, column] = value
    payments.to_csv(copy.folder / "payments.csv", index=False)
    run = copy.go("score", code=2)
    lines = [each for each in run.err.strip().splitlines() if not each.startswith("…")]
    assert len(lines) == 1  # beside the progress that a slow machine shows
    assert said in lines[0]


def test_a_missing_currency_is_the_projects_and_a_negative_amount_is_paid_back(
    copy: PayingCompany,
) -> None:
    payments = pd.read_csv(copy.folder / "payments.csv", dtype=str)
    back = payments["kind"] == "refund"
    payments.loc[back, "amount"] = "-" + payments["amount"][back]
    payments["kind"], payments.loc[0, "currency"] = "payment", None
    payments.to_csv(copy.folder / "payments.csv", index=False)
    sources, _ = tables_of(copy.page())
    total = payments["amount"].astype(float).sum()
    assert sum(float(re.sub("[€,]", "", row[2])) for row in sources) == pytest.approx(total)


def test_a_project_without_payments_says_nothing_of_money(copy: PayingCompany) -> None:
    text = copy.file.read_text("utf-8")
    start, end = text.index("[value]"), text.index("[report]")
    copy.file.write_text(text[:start] + text[end:], "utf-8")
    told = json.loads(copy.go("score", "--json").out)
    assert told["leads"] == len(copy.scores())
    assert not {"amount", "expected_value"} & set(copy.scores().columns)
    assert 'id="value"' not in copy.page()


def test_amounts_learned_in_another_currency_predict_nothing(company: Company) -> None:
    one = LinearPart(0.0)
    amounts = AmountModel(one, one, AmountLaw((), (), (), (1.0,), 1), 365.0, "EUR")
    model = replace(company.model, amounts=amounts)
    assert model.amounts_in("EUR") is amounts
    assert model.amounts_in("USD") is None
    assert company.model.amounts_in("EUR") is None
