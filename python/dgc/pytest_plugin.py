"""pytest: `def test_learns(assert_all_learn): assert_all_learn(step)`."""
import pytest


@pytest.fixture
def assert_all_learn():
    """Fails where a parameter is found not to learn, or nothing can be said; gives the report."""
    import dgc

    def check(step, rounds=3):
        report = dgc.check(step, rounds)
        assert report.status == 0, "\n" + report.text
        return report
    return check
