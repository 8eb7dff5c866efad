# Where the samples of `perf script --no-inline -F comm,tid,ip,sym` fell: whose task it was, and doing what. The
# innermost frame that names an area decides; a sample below a system call is the kernel's.

function area(frame) {
    if (frame ~ /tracing_subscriber|tracing_core/) return "log"
    if (frame ~ /serde_json|serde_core|_serde|halfopen_link::core::(codec|message)/) return "JSON"
    if (frame ~ /tungstenite/) return "WebSocket"
    if (frame ~ /halfopen_scheduler::core::broker/) return "broker core"
    if (frame ~ /halfopen_scheduler::shell::server::(core_task|event_log|metrics)|prometheus/) return "core task"
    if (frame ~ /halfopen_scheduler::(core|shell)::node/) return "node's own"
    if (frame ~ /(lean|halfopen)_session|halfopen_client/) return "generator's own"
    if (frame ~ /halfopen_link|halfopen_scheduler::shell::server/) return "link"
    if (frame ~ /tokio|mio::/) return "tokio"
    return ""
}

function settle() {
    if (frames == 0) return
    count[whose "\t" (kernel ? "system calls, TCP" : (found == "" ? "other" : found))]++
    total++
}

/^[^ \t]/ { settle(); frames = 0; kernel = 0; found = ""; whose = "tokio's threads"; next }
NF > 1 {
    frames++
    if ($0 ~ /do_syscall|entry_SYSCALL/) kernel = 1
    if (found == "") found = area($0)
    if ($0 ~ /(lean|halfopen)_session|halfopen_client/) whose = "generator"
    else if ($0 ~ /halfopen_scheduler::(core|shell)::node/) whose = "node"
    else if ($0 ~ /halfopen_scheduler::(shell::server|core::broker)/ && whose == "tokio's threads") whose = "scheduler"
}
END { settle(); for (key in count) printf "%5.1f\t%s\n", 100 * count[key] / total, key }
