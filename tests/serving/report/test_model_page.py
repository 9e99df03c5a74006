from serving.report.model_page import render_model_page
from training.audit import AuditReport
from training.model_card import ModelCard

ROW = {"metric": "auc", "model": "<script>x</script>", "value": 0.81, "low": 0.78, "high": None}
CARD = ModelCard(
    trained_until=1_790_000_000_000_000,
    train_rows=900,
    train_conversions=90,
    test_rows=300,
    test_conversions=31,
    horizon_days=90.0,
    metrics=[ROW],
    verdicts=[],
    bands=[],
    tenths=[],
    curve=[{"promised": 0.1, "observed": 0.12, "low": 0.05, "high": 0.2, "n": 300}],
    slices=[],
    capacity=[],
    drift=[{"feature": "country", "psi": 0.31}],
    gains={"model": [[0.0, 0.0], [1.0, 1.0]]},
    candidates={"linear": {"log_loss": 0.31, "won": True}},
    dropped={"purged": 12},
    notes=["country moved"],
)


def test_the_model_page_shows_every_part_of_the_card_and_runs_nothing() -> None:
    page = render_model_page(CARD, project="acme", version="7", audit=AuditReport((), {}, {}))
    for word in ("0.81", "0.78", "country", "purged", "linear", "Reliability", "Gains", "Drift"):
        assert word in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_sections_without_rows_are_left_out() -> None:
    page = render_model_page(CARD, project="acme", version="7")
    assert "Leak report" not in page
    assert "Slices" not in page
