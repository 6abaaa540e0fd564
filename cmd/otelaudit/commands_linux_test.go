package main

func init() {
	testCommands["becomeroot"] = becomeRoot
	testCommands["endfirstthread"] = endFirstThread
}
