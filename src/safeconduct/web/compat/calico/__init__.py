"""The Calico Platform API v2 dialect: `{data, errors}`, epoch milliseconds, decimal strings."""
