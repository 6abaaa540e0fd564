package exporter

import "github.com/otelaudit/otelaudit/internal/otelline"

// source is an attribute that a field can come from.
type source struct {
	key string
	// when is asked first, nil means always.
	when func(*reading) bool
	// number or text reads the value, nil means as the field's values are
	// read: FORMAT.md section 8.
	number func(*reading, value) (float64, bool)
	text   func(*reading, value) (string, bool)
	// requested marks the model that was asked for, as opposed to the one that
	// answered.
	requested bool
}

// aliases are the sources of each field, the first one that is there wins.
// They were gathered from what emitters send; FORMAT.md section 8 is the same
// table for people.
//
// Never sources of a cost, because they are running totals or not in USD:
// total_cost_usd, session.total_cost_usd, github.copilot.cost,
// github.copilot.aiu, github.copilot.nano_aiu, credits_consumed.
var aliases = map[otelline.Field][]source{
	otelline.Session: {
		{key: "session_id"},
		{key: "session.id"},                   // OpenTelemetry semantic conventions
		{key: "copilot_chat.chat_session_id"}, // its gen_ai.conversation.id is the request's
		{key: "gen_ai.conversation.id"},
		{key: "conversation.id"}, // Codex
		{key: "cursor.conversation.id"},
		{key: "langfuse.session.id"},
		{key: "copilot_chat.session_id"},
		{key: "ai.telemetry.metadata.sessionId"},             // Vercel AI SDK
		{key: "traceloop.association.properties.session_id"}, // OpenLLMetry
		{key: "pi.session.id"},                               //
		{key: "task_id", when: (*reading).isTask},            // Cline
		{key: "ulid", when: (*reading).isTask},               // Cline
		{key: "github.copilot.interaction_id"},               //
	},
	otelline.Cost: {
		{key: "cost"},
		{key: "cost_usd"}, // Claude Code, opencode
		{key: "cost_usd_micros", number: micros},
		{key: "gen_ai.usage.cost.amount", when: (*reading).isUSD}, // proposed semantic convention
		{key: "gen_ai.usage.cost"},                                // OpenLIT
		{key: "gen_ai.cost.total_cost"},
		{key: "litellm.cost.total"},
		{key: "llm.cost.total"}, // OpenInference
		{key: "llm.cost.prompt", number: plusCompletion},
		{key: "langfuse.observation.cost_details", number: costDetails},
		{key: "operation.cost"}, // Pydantic AI
		{key: "gen_ai.usage.cost_usd"},
		{key: "gen_ai.usage.total_cost"},
		{key: "llm.usage.total_cost"},
		{key: "cost.total_usd"},
		{key: "totalCost", when: (*reading).isTask}, // Cline, of one request
	},
	otelline.Model: {
		{key: "model"},
		{key: "gen_ai.response.model"},
		{key: "gen_ai.request.model", requested: true},
		{key: "llm.response.model_name"},
		{key: "llm.model_name"}, // OpenInference
		{key: "llm.request.model_name", requested: true},
		{key: "embedding.model_name"}, // OpenInference
		{key: "langfuse.observation.model.name"},
		{key: "ai.response.model"}, // Vercel AI SDK
		{key: "ai.model.id"},
		{key: "llm.response.model"},
		{key: "llm.request.model", requested: true},
		{key: "model_name"},
		{key: "cursor.model.name"},
	},
	otelline.InputTokens: {
		{key: "input_t"},
		{key: "gen_ai.usage.input_tokens"},
		{key: "input_tokens"},      // Claude Code
		{key: "input_token_count"}, // Codex, Gemini CLI
		{key: "llm.token_count.prompt"},
		{key: "gen_ai.usage.prompt_tokens"},
		{key: "llm.usage.prompt_tokens"},
		{key: "ai.usage.inputTokens"},
		{key: "ai.usage.promptTokens"},
		{key: "gen_ai.usage.details.input_tokens"},
		{key: "tokens_in"}, // Cline's documentation
		{key: "tokensIn"},  // Cline
		{key: "prompt_tokens"},
		{key: "ai.usage.tokens"}, // Vercel AI SDK, of embeddings
		{key: "langfuse.observation.usage_details", number: usageDetails("input", "prompt_tokens", "input_tokens")},
	},
	otelline.OutputTokens: {
		{key: "output_t"},
		{key: "gen_ai.usage.output_tokens"},
		{key: "output_tokens"},
		{key: "output_token_count"},
		{key: "llm.token_count.completion"},
		{key: "gen_ai.usage.completion_tokens"},
		{key: "llm.usage.completion_tokens"},
		{key: "ai.usage.outputTokens"},
		{key: "ai.usage.completionTokens"},
		{key: "gen_ai.usage.details.output_tokens"},
		{key: "tokens_out"},
		{key: "tokensOut"},
		{key: "completion_tokens"},
		{key: "langfuse.observation.usage_details", number: usageDetails("output", "completion_tokens", "output_tokens")},
	},
	otelline.Files: {
		{key: "files"},
		{key: "file.path"},
		{key: "file_path"},
		{key: "code.file.path"},
	},
	otelline.Reason: {
		{key: "reason"},
		{key: "error.message"},
		{key: "error"},
		{key: "exception.message"},
		{key: "gen_ai.evaluation.explanation"},
		{key: "decision", text: bySource}, // Claude Code: accept by user_permanent
		{key: "terminate_reason"},
		{key: "error.type"},
	},
	otelline.Confidence: {
		{key: "confidence"},
	},
	otelline.Duration: {
		{key: "duration_ms"},
		{key: "interaction.duration_ms"},
		{key: "total_duration_ms"},
		{key: "duration", when: (*reading).isAPI}, // elsewhere in other units
		{key: "routing_latency_ms"},
		{key: "latency_ms"},
	},
	// A config is the record's own attribute or none.
}

// repeatsUsage reports whether events of that name repeat the usage of others,
// so that none is derived from them: Copilot Chat tells of each response with
// copilot_chat.agent.turn besides
// gen_ai.client.inference.operation.details.
func repeatsUsage(event string) bool { return event == "copilot_chat.agent.turn" }

// Keys that the sources, the name of the event and the rule for spans look at
// besides.
const (
	keyCurrency         = "gen_ai.usage.cost.currency"
	keyCompletionCost   = "llm.cost.completion"
	keyDecider          = "source"
	keyErrorMessage     = "error.message"
	keyEventName        = "event.name"
	keyEventNameLiteLLM = "event_name"
	keyEventTime        = "event.timestamp"
	keyLangfuseType     = "langfuse.observation.type"
	keyOperation        = "gen_ai.operation.name"
	keyRequestType      = "llm.request.type" // OpenLLMetry
	keySpanKind         = "openinference.span.kind"
)
