// Package metadata is what metadata.yaml says, for the code. It is kept by hand.
package metadata

import "go.opentelemetry.io/collector/component"

// Type is the name of the component in configurations.
var Type = component.MustNewType("otlp_repair")

// ExtensionStability is the stability of the component.
const ExtensionStability = component.StabilityLevelAlpha
