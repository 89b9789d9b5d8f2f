//! What the fuzzers know keeps its promises in every run of the tests. `make fuzz` looks for more;
//! whatever it finds becomes a seed.

#[path = "../fuzz/promises/bypass.rs"]
mod bypass;
#[path = "../fuzz/promises/chain_frame.rs"]
mod chain_frame;
#[path = "../fuzz/promises/challenges.rs"]
mod challenges;
#[path = "../fuzz/promises/chunked_body.rs"]
mod chunked_body;
#[path = "../fuzz/promises/client_hello.rs"]
mod client_hello;
#[path = "../fuzz/promises/connect_reply.rs"]
mod connect_reply;
#[path = "../fuzz/promises/ntlm_challenge.rs"]
mod ntlm_challenge;
#[path = "../fuzz/promises/pac_answer.rs"]
mod pac_answer;
#[path = "../fuzz/promises/request_head.rs"]
mod request_head;
#[path = "../fuzz/promises/response_head.rs"]
mod response_head;
#[path = "../fuzz/promises/socks_reply.rs"]
mod socks_reply;

use std::path::Path;

/// Every seed of the target, and every beginning of it: what a slow sender makes of it.
fn replay(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = std::fs::read_dir(&folder).expect("a folder of seeds");
    let mut seeds = 0;
    for file in files {
        let path = file.expect("entry").path();
        println!("{}", path.display());
        let bytes = std::fs::read(&path).expect("readable");
        let step = bytes.len() / 200 + 1;
        for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
            holds(&bytes[..end]);
        }
        seeds += 1;
    }
    assert!(seeds >= 5, "{seeds} seeds in {}", folder.display());
}

#[test]
fn every_known_client_hello_is_one_however_it_comes() {
    replay("client_hello", client_hello::holds);
}

#[test]
fn every_known_request_head_is_one_however_it_comes() {
    replay("request_head", request_head::holds);
}

#[test]
fn every_known_response_head_is_one_however_it_comes() {
    replay("response_head", response_head::holds);
}

#[test]
fn every_known_chunked_body_is_the_same_however_it_is_cut() {
    replay("chunked_body", chunked_body::holds);
}

#[test]
fn every_known_reply_to_connect_leaves_the_tunnel_untouched() {
    replay("connect_reply", connect_reply::holds);
}

#[test]
fn every_known_bypass_list_is_read_as_it_is_written() {
    replay("bypass", bypass::holds);
}

#[test]
fn every_known_frame_of_a_chained_engine_is_one_however_it_comes() {
    replay("chain_frame", chain_frame::holds);
}

#[test]
fn every_known_answer_of_a_socks_proxy_is_one_however_it_comes() {
    replay("socks_reply", socks_reply::holds);
}

#[test]
fn every_known_way_to_ask_for_a_log_in_is_read_within_bounds() {
    replay("challenges", challenges::holds);
}

#[test]
fn every_known_second_message_of_ntlm_is_answered_within_bounds() {
    replay("ntlm_challenge", ntlm_challenge::holds);
}

#[test]
fn every_known_answer_of_a_script_names_ways_within_bounds() {
    replay("pac_answer", pac_answer::holds);
}
