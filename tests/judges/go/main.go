// golang.org/x/oauth2 and go-oidc, told the issuer and its own credentials, walk a grant. It prints
// the authorization URL, reads where the browser landed, and prints what it got.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	issuer, id, secret, redirect := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()

	provider, err := oidc.NewProvider(ctx, issuer)
	check(err)
	config := oauth2.Config{
		ClientID:     id,
		ClientSecret: secret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  redirect,
		Scopes:       []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess},
	}
	verifier := oauth2.GenerateVerifier()
	tell(map[string]any{
		"url": config.AuthCodeURL("st-1", oidc.Nonce("n-1"), oauth2.S256ChallengeOption(verifier)),
	})

	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	landed, err := url.Parse(line[:len(line)-1])
	check(err)
	if landed.Query().Get("state") != "st-1" {
		log.Fatal("another state")
	}
	token, err := config.Exchange(ctx, landed.Query().Get("code"), oauth2.VerifierOption(verifier))
	check(err)
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: id}).Verify(ctx, raw)
	check(err)
	check(idToken.VerifyAccessToken(token.AccessToken))
	about, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	check(err)

	old := token.RefreshToken
	renewed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: old}).Token()
	check(err)
	tell(map[string]any{
		"email":   about.Email,
		"nonce":   idToken.Nonce,
		"same":    idToken.Subject == about.Subject,
		"rotated": renewed.RefreshToken != old,
	})
}

func tell(value any) {
	text, err := json.Marshal(value)
	check(err)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
