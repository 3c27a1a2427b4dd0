"""Messages: lists that end in time, differences alone, and no message beyond all bounds."""

import pytest

from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.base.findings import Kind, Report
from resnest_dense.config_errors import explained
from resnest_dense.errors import clipped, differences, listed, near, require_counts

NAMES = [f"object class {i}" for i in range(5000)]


def test_lists_are_whole_or_say_how_many_more():
    assert listed([]) == "" and listed(["a"]) == "a" and listed(range(4)) == "0, 1, 2, 3"
    assert listed(range(9), most=2) == "0, 1, and 7 more"
    assert listed(["abc"] * 9, room=10, between="; ") == "abc; abc; and 7 more"
    assert listed(["x" * 900, "y"], room=10).count("x") == 160


@pytest.mark.parametrize("count", [1, 24, 365, 5000])
def test_messages_about_many_names_stay_short(count):
    message = near("object klass 7", NAMES[:count])
    assert len(message) < 700 and NAMES[0] in message


def test_half_a_character_is_shown_as_its_number():
    for text in (listed(["caf\udce9"]), str(ResNeStError("caf\udce9"))):
        assert text == "caf\\udce9" and text.encode()


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
def test_what_is_no_count_is_refused(value):
    require_counts(one=1)
    with pytest.raises(ResNeStValueError, match="of_it=.*: use a whole number of at least 1"):
        require_counts(of_it=value)


def test_a_value_in_a_table_loses_its_end_alone():
    assert clipped(12) == "12" and clipped("x" * 60) == "x" * 60
    assert clipped("x" * 61) == "x" * 57 + "..." and clipped("abcdef", 5) == "ab..."


def test_differences_name_what_differs_alone():
    one, other = dict(enumerate(NAMES)), dict(enumerate(NAMES))
    assert differences(one, other) == ""
    other[200] = "object klass"
    del other[4999]
    assert differences(one, other) == ("200: 'object class 200' and 'object klass'; "
                                       "4999: 'object class 4999' and nothing")
    assert differences({"names": ["a", "b"]}, {"names": ["a", "c"]}) == "names.1: 'b' and 'c'"
    assert len(differences(one, {})) < 700 and "and 49" in differences(one, {})


def test_an_error_is_never_longer_than_2_kb():
    for error in (ResNeStError("Ü" * 9000), ResNeStValueError("a" * 9000 + " remedy")):
        assert len(str(error).encode()) < 2000
    assert str(error).endswith("remedy") and str(error).startswith("a")


def test_a_report_of_all_kinds_of_faults_stays_short():
    class Faults(Report):
        kinds = {f"kind {i}": Kind("error", "what is wrong " * 9, "do this") for i in range(60)}

        def subject(self):
            return "the set"

        def rows(self, finding):
            yield f"  {finding.kind}: {finding.meaning} {finding.examples[0]}"

    report = Faults()
    for kind in report.kinds:
        report.add(kind, "an image " * 500)
    with pytest.raises(ResNeStValueError, match="(?s)the set cannot.*kind 0.*and 5. more") as found:
        report.raise_if_wrong()
    assert len(str(found.value)) < 2000


def test_errors_of_ours_get_the_name_of_the_config_once(tmp_path):
    config = tmp_path / "a.yaml"
    for message in ("depth=3", f"{config}: depth=3"):
        with pytest.raises(ResNeStError) as found, explained(config):
            raise ResNeStError(message)
        assert str(found.value) == f"{config}: depth=3"
