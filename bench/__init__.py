"""The benchmark: Safeconduct beside npm's oidc-provider, in one run on one machine."""
