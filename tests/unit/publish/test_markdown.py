import pytest

from inverter.publish.markdown import code, escape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shards:tiny-imagenet-{000..011}.tar", "shards:tiny-imagenet-{000..011}.tar"),
        ("a_b 1,000 pairs; 0.5", "a_b 1,000 pairs; 0.5"),
        ("a | b\n\n# title", r"a \| b \# title"),
        ("[x](https://a.b)", r"\[x\](https://a.b)"),
        ("![x](y) <script>", r"!\[x\](y) \<script\>"),
        ("_a_ *b* `c` ~d~ &amp; \\\\", r"\_a\_ \*b\* \`c\` \~d\~ \&amp; \\\\"),
        ("a\x1b[31m\u202eb", r"a?\[31m?b"),
        (12, "12"),
    ],
)
def test_a_text_stays_a_text(text, expected):
    assert escape(text) == expected


def test_code_stays_in_its_cell():
    assert code("a`b | c\nd") == r"`a'b \| c d`"
