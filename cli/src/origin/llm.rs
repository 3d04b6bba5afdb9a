//! The pretended LLM provider: the OpenAI chat and responses calls and the Anthropic messages call.
//!
//! Each answers in one JSON document, or as server-sent events when the request says `"stream": true`. It says what
//! its [`Reply`] says, one piece per streamed delta; a request that offers `tools` and carries no tool result yet gets
//! a tool call instead, its arguments streamed in pieces too. `?gate=NAME` paces the events. Shapes follow the
//! providers' public API references; there is no model in it, and no check of any key.

use std::sync::{Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::book::Entry;
use super::web::{self, Event, parameter, status};
use super::{Body, World};

/// Which API call a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages`.
    Messages,
}

/// What the pretended model says, and the arguments it calls a tool with, piece by piece.
#[derive(Debug)]
pub(crate) struct Reply {
    text: Mutex<Vec<String>>,
    arguments: Mutex<Vec<String>>,
}

impl Default for Reply {
    fn default() -> Self {
        let text = ["Hello", " from", " the", " embedded", " model."];
        let arguments = [r#"{"city":"#, r#" "Zürich", "#, r#""days": 3}"#];
        Self {
            text: Mutex::new(text.map(str::to_owned).to_vec()),
            arguments: Mutex::new(arguments.map(str::to_owned).to_vec()),
        }
    }
}

impl Reply {
    /// Replaces what is said from now on.
    pub(crate) fn set(&self, pieces: Vec<String>) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = pieces;
    }

    /// Replaces the arguments tools are called with from now on.
    pub(crate) fn set_arguments(&self, pieces: Vec<String>) {
        *self
            .arguments
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = pieces;
    }

    /// What is said now.
    pub(crate) fn pieces(&self) -> Vec<String> {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The arguments tools are called with now.
    fn arguments(&self) -> Vec<String> {
        self.arguments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What one call answers with, before it takes the shape of a provider.
struct Answer {
    model: Value,
    /// The tool to call; without one the pieces are text.
    tool: Option<Value>,
    pieces: Vec<String>,
}

/// Answers one call.
pub(super) async fn answer(
    call: Call,
    request: Request<Incoming>,
    entry: Entry,
    world: &std::sync::Arc<World>,
) -> Response<Body> {
    let gate = parameter::<String>(request.uri(), "gate");
    let Some(body) = world.book.read(entry, request.into_body()).await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let tool = tool_to_call(&asked);
    let answer = Answer {
        model: asked.get("model").cloned().unwrap_or(Value::Null),
        pieces: match tool {
            Some(_) => world.reply.arguments(),
            None => world.reply.pieces(),
        },
        tool,
    };
    let streamed = asked.get("stream").and_then(Value::as_bool) == Some(true);
    match (call, streamed) {
        (Call::Chat, false) => web::json(&chat(&answer)),
        (Call::Chat, true) => web::events(chat_events(&answer), gate, world),
        (Call::Responses, false) => web::json(&response(&answer, "completed")),
        (Call::Responses, true) => web::events(response_events(&answer), gate, world),
        (Call::Messages, false) => web::json(&message(&answer)),
        (Call::Messages, true) => web::events(message_events(&answer), gate, world),
    }
}

/// The first offered tool's name, unless a tool result is already among the messages.
fn tool_to_call(asked: &Value) -> Option<Value> {
    let tool = asked.get("tools")?.get(0)?;
    let name = tool
        .get("name")
        .or_else(|| tool.get("function")?.get("name"))?;
    let conversation = asked
        .get("messages")
        .or_else(|| asked.get("input"))?
        .to_string();
    let answered = [
        r#""role":"tool""#,
        r#""type":"tool_result""#,
        r#""type":"function_call_output""#,
    ];
    (!answered.iter().any(|mark| conversation.contains(mark))).then(|| name.clone())
}

fn chat(answer: &Answer) -> Value {
    let text = answer.pieces.concat();
    let (message, reason) = match &answer.tool {
        None => (
            json!({"role": "assistant", "content": text, "refusal": null}),
            "stop",
        ),
        Some(name) => {
            let call = json!({"id": "call_0001", "type": "function", "function": {"name": name, "arguments": text}});
            (
                json!({"role": "assistant", "content": null, "tool_calls": [call]}),
                "tool_calls",
            )
        }
    };
    json!({
        "id": "chatcmpl-0001", "object": "chat.completion", "created": CREATED, "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    })
}

fn chat_events(answer: &Answer) -> Vec<Event> {
    let chunk = |delta: Value, reason: Value| {
        Event::data(&json!({
            "id": "chatcmpl-0001", "object": "chat.completion.chunk", "created": CREATED, "model": answer.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
        }))
    };
    let mut events = Vec::new();
    let reason = match &answer.tool {
        None => {
            events.push(chunk(
                json!({"role": "assistant", "content": ""}),
                Value::Null,
            ));
            let text = answer
                .pieces
                .iter()
                .map(|piece| chunk(json!({"content": piece}), Value::Null));
            events.extend(text);
            "stop"
        }
        Some(name) => {
            let call = json!({"index": 0, "id": "call_0001", "type": "function", "function": {"name": name, "arguments": ""}});
            let first = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            events.push(chunk(first, Value::Null));
            events.extend(answer.pieces.iter().map(|piece| {
                let call = json!({"index": 0, "function": {"arguments": piece}});
                chunk(json!({"tool_calls": [call]}), Value::Null)
            }));
            "tool_calls"
        }
    };
    events.push(chunk(json!({}), json!(reason)));
    events.push(Event::raw("data: [DONE]\n\n"));
    events
}

fn response(answer: &Answer, state: &str) -> Value {
    let output = if state == "completed" {
        json!([response_item(answer, state)])
    } else {
        json!([])
    };
    json!({
        "id": "resp_0001", "object": "response", "created_at": CREATED, "status": state, "model": answer.model,
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "output": output,
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": {
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14,
        },
    })
}

fn response_item(answer: &Answer, state: &str) -> Value {
    let done = state == "completed";
    let text = if done {
        answer.pieces.concat()
    } else {
        String::new()
    };
    match &answer.tool {
        None => {
            let part =
                json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
            let content = if done { json!([part]) } else { json!([]) };
            json!({"id": "msg_0001", "type": "message", "status": state, "role": "assistant", "content": content})
        }
        Some(name) => json!({
            "id": "fc_0001", "type": "function_call", "status": state, "call_id": "call_0001",
            "name": name, "arguments": text,
        }),
    }
}

fn response_events(answer: &Answer) -> Vec<Event> {
    let mut shapes = vec![
        json!({"type": "response.created", "response": response(answer, "in_progress")}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": response_item(answer, "in_progress")}),
    ];
    let text = answer.pieces.concat();
    if answer.tool.is_some() {
        shapes.extend(answer.pieces.iter().map(|piece| {
            json!({"type": "response.function_call_arguments.delta", "item_id": "fc_0001", "output_index": 0, "delta": piece})
        }));
        shapes.push(json!({
            "type": "response.function_call_arguments.done", "item_id": "fc_0001", "output_index": 0,
            "name": answer.tool, "arguments": text,
        }));
    } else {
        let at = |kind: &str, key: &str, value: Value| {
            let mut shape =
                json!({"type": kind, "item_id": "msg_0001", "output_index": 0, "content_index": 0});
            if let Some(fields) = shape.as_object_mut() {
                fields.insert(key.to_owned(), value);
                fields.insert("logprobs".to_owned(), json!([]));
            }
            shape
        };
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        shapes.push(at("response.content_part.added", "part", part("")));
        shapes.extend(
            answer
                .pieces
                .iter()
                .map(|piece| at("response.output_text.delta", "delta", json!(piece))),
        );
        shapes.push(at("response.output_text.done", "text", json!(text)));
        shapes.push(at("response.content_part.done", "part", part(&text)));
    }
    shapes.push(json!({"type": "response.output_item.done", "output_index": 0, "item": response_item(answer, "completed")}));
    shapes.push(json!({"type": "response.completed", "response": response(answer, "completed")}));
    number_and_name(shapes)
}

fn message(answer: &Answer) -> Value {
    let text = answer.pieces.concat();
    let (content, reason) = match &answer.tool {
        None => (json!({"type": "text", "text": text}), "end_turn"),
        Some(name) => {
            let input: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            (
                json!({"type": "tool_use", "id": "toolu_0001", "name": name, "input": input}),
                "tool_use",
            )
        }
    };
    json!({
        "id": "msg_0001", "type": "message", "role": "assistant", "model": answer.model, "content": [content],
        "stop_reason": reason, "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 5},
    })
}

fn message_events(answer: &Answer) -> Vec<Event> {
    let mut start = message(answer);
    if let Some(fields) = start.as_object_mut() {
        fields.insert("content".to_owned(), json!([]));
        fields.insert("stop_reason".to_owned(), Value::Null);
    }
    let (block, reason) = match &answer.tool {
        None => (json!({"type": "text", "text": ""}), "end_turn"),
        Some(name) => (
            json!({"type": "tool_use", "id": "toolu_0001", "name": name, "input": {}}),
            "tool_use",
        ),
    };
    let mut shapes = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "ping"}),
    ];
    shapes.extend(answer.pieces.iter().map(|piece| {
        let delta = match answer.tool {
            None => json!({"type": "text_delta", "text": piece}),
            Some(_) => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    shapes.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ]);
    shapes.iter().map(Event::named_by_type).collect()
}

/// Gives each event its `sequence_number` and its `event:` line.
fn number_and_name(shapes: Vec<Value>) -> Vec<Event> {
    let numbered = shapes.into_iter().enumerate().map(|(number, mut shape)| {
        if let Some(fields) = shape.as_object_mut() {
            fields.insert("sequence_number".to_owned(), json!(number));
        }
        Event::named_by_type(&shape)
    });
    numbered.collect()
}

/// A fixed moment, so that answers do not differ from run to run.
const CREATED: u64 = 1_760_000_000;
