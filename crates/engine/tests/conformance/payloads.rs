//! Values of any size: large ones go the same way as small ones.

use serde_json::json;

use crate::each_driver;

/// Half a megabyte, which no row holds.
const LARGE: usize = 512 * 1024;

each_driver! {
    async fn a_large_value_goes_through_steps_and_signals(scene: Scene) {
        let workflow = scene.workflow("large", json!([
            { "id": "copy", "type": "action", "action": "transform",
              "input": { "text": "{{ trigger.text }}" } },
            { "id": "ask", "type": "wait", "signal": "more" },
            { "id": "end", "type": "stop", "output": {
                "copied": "{{ steps.copy.output.text }}",
                "asked": "{{ steps.ask.output | length }}" } },
        ])).await;
        let text = "é".repeat(LARGE / 2);
        let run = scene.start(&workflow, json!({ "text": text })).await;
        scene.settle().await;
        scene.signal(&run, "more", json!("y".repeat(LARGE))).await.unwrap();
        scene.settle().await;
        let made = scene.output(&run).await;
        assert_eq!(made["asked"], LARGE);
        let copied = made["copied"].as_str().unwrap();
        assert!(copied == text, "another text of {} bytes", copied.len());
    }

    async fn a_large_value_goes_to_a_child_and_comes_back(scene: Scene) {
        scene.workflow("echo", json!([
            { "id": "end", "type": "stop", "output": { "said": "{{ trigger.text }}" } },
        ])).await;
        let workflow = scene.workflow("caller", json!([
            { "id": "call", "type": "workflow", "workflow": "echo",
              "input": { "text": "{{ trigger.text }}" } },
            { "id": "end", "type": "stop", "output": "{{ steps.call.output.said }}" },
        ])).await;
        let text = "x".repeat(LARGE);
        let run = scene.start(&workflow, json!({ "text": text })).await;
        scene.settle().await;
        assert!(scene.output(&run).await == text);
    }
}
