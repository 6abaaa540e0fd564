package main

import "github.com/spf13/cobra"

// guardWatcher is a verb that does nothing: a command that is left behind goes on.
func (a *app) guardWatcher() *cobra.Command {
	return &cobra.Command{Use: "guard-watcher", Hidden: true, Args: noArguments, RunE: func(*cobra.Command, []string) error { return nil }}
}
