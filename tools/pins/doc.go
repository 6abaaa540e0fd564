// Package pins holds the workflows to actions of exact commits: a tag may be
// moved to other code.
package pins
