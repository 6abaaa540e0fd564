package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Who builds a release may set these:
//
//	go build -ldflags "-X main.version=v1.2.3 -X main.commit=… -X main.commitTime=2026-02-13T14:30:22Z"
//
// Without, they are what the go command recorded.
var version, commit, commitTime string

// build is the JSON of the verb version. What is not known is left out.
type build struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commit_time,omitempty"`
	Modified   bool   `json:"modified,omitempty"` // there were changes since the commit
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
}

func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return buildOf(info, version, commit, commitTime)
}

// buildOf puts together what was recorded and what was set instead.
func buildOf(info *debug.BuildInfo, version, commit, commitTime string) build {
	b := build{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.CommitTime = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if version != "" {
		b.Version = version
	}
	if commit != "" {
		b.Commit, b.CommitTime, b.Modified = commit, "", false
	}
	if commitTime != "" {
		b.CommitTime = commitTime
	}
	return b
}

func (a *app) version() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version [flags]",
		Short: "Show the version and how it was built",
		Long: `version shows the version, the commit that it was built from, if that is known, and
the version of Go and the platform that it was built for.`,
		Example: `  otelaudit version
  otelaudit version --format json | jq -r .version`,
		Args: noArguments,
	}
	format := formatFlag(cmd, "text", "json")
	cmd.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		if format.value == "json" {
			return a.out.json(b)
		}
		return a.printVersion(b)
	}
	return cmd
}

func (a *app) printVersion(b build) error {
	text := "otelaudit " + b.Version + "\n"
	if b.Commit != "" {
		text += "commit " + b.Commit
		if b.CommitTime != "" {
			text += " of " + b.CommitTime
		}
		if b.Modified {
			text += ", with changes"
		}
		text += "\n"
	}
	_, err := fmt.Fprintf(a.out, "%sbuilt with %s for %s/%s\n", text, b.Go, b.OS, b.Arch)
	return err
}
