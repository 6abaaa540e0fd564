package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// choice is the value of a flag that is one of a few words.
type choice struct {
	value string
	of    []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.of, "|") }

func (c *choice) Set(text string) error {
	if !slices.Contains(c.of, text) {
		return errors.New("want " + strings.Join(c.of[:len(c.of)-1], ", ") + " or " + c.of[len(c.of)-1])
	}
	c.value = text
	return nil
}

// choiceFlag adds a flag that the shell can complete.
func choiceFlag(cmd *cobra.Command, name, value, usage string, of ...string) *choice {
	c := &choice{value: value, of: of}
	cmd.Flags().Var(c, name, usage)
	completeWords(cmd, name, of...)
	return c
}

// completeWords makes the shell complete a flag of cmd with words.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	completeWith(cmd, flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

func completeWith(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offered(complete)); err != nil {
		panic(err) // whoever calls it has added the flag before
	}
}

// formatFlag adds --format; its default is the first one.
func formatFlag(cmd *cobra.Command, of ...string) *choice {
	return choiceFlag(cmd, "format", of[0], "how to print", of...)
}

// number is the value of a flag that is a whole number within bounds.
type number struct {
	value, least, most int64
}

func (n *number) String() string {
	if n.value == 0 {
		return "" // pflag then says no default
	}
	return strconv.FormatInt(n.value, 10)
}

func (n *number) Type() string { return "N" }

func (n *number) Set(text string) error {
	value, err := strconv.ParseInt(text, 10, 64)
	if err == nil && value >= n.least && value <= n.most {
		n.value = value
		return nil
	}
	if n.most == math.MaxInt32 {
		return fmt.Errorf("want a whole number, %d or more", n.least)
	}
	return fmt.Errorf("want a whole number from %d to %d", n.least, n.most)
}
