"""The journey, to look at and to walk: a third-party app, a mail catcher, a browserless browser."""
