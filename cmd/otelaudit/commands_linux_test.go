package main

func init() { testCommands["becomeroot"] = becomeRoot }
