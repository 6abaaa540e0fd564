package emitters

//go:generate go run ./generate
