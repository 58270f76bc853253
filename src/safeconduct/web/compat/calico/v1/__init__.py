"""Calico's Platform API v1: `/platform/v1`, flat bodies, a provider is a `crypto_source`."""
