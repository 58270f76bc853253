"""What is shown of an exchange never holds a secret, and always says enough."""

from safeconduct.demo.exchanges import SECRETS, mask, mask_form, mask_url

SECRET = "s3cr3t-value-that-nobody-may-read"


def test_secrets_are_cut_short_wherever_they_stand() -> None:
    for name in SECRETS:
        shown = str(mask("", {"outer": [{name: SECRET}], "plain": "seen"}))
        assert SECRET not in shown
        assert "s3cr3t…" in shown
        assert "seen" in shown


def test_addresses_are_masked_inside() -> None:
    url = f"http://127.0.0.1:8400/cb?code={SECRET}&state={SECRET}&scope=openid+email"
    cut = mask("code", SECRET)
    expected = f"http://127.0.0.1:8400/cb?code={cut}&state={cut}&scope=openid email"
    assert mask_url(url) == expected
    assert SECRET not in str(mask("", {"redirect_url": url}))


def test_forms_keep_what_is_public() -> None:
    form = f"grant_type=refresh_token&refresh_token={SECRET}&client_id=app".encode()
    shown = mask_form(form)
    assert (shown["grant_type"], shown["client_id"]) == ("refresh_token", "app")
    assert SECRET not in str(shown)


def test_a_fingerprint_tells_secrets_apart() -> None:
    assert mask("code", SECRET) == mask("token", SECRET)
    assert mask("code", SECRET) != mask("code", SECRET[:-1] + "x")


def test_empty_and_odd_values_pass() -> None:
    assert mask("token", "") == ""
    assert mask("code", None) is None
    assert mask("expires_in", 900) == 900
