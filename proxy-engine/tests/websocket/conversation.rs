//! What a WebSocket client and an echoing server say to each other, whatever is between them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Nothing here takes longer, unless it hangs.
const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Serves the handshake and echoes every message until the close. How it ended: the code that the
/// client gave, or what was wrong with what arrived.
pub(crate) async fn echo(stream: TcpStream) -> String {
    let mut socket = tokio_tungstenite::accept_async(stream)
        .await
        .expect("a handshake");
    let mut close = None;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Close(frame)) => close = frame,
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(message) => socket.send(message).await.expect("echoed"),
            Err(error) => return name(&error),
        }
    }
    close.map_or("no code".into(), |frame| u16::from(frame.code).to_string())
}

fn name(error: &Error) -> String {
    match error {
        Error::Utf8(_) => "not UTF-8".into(),
        other => other.to_string(),
    }
}

/// Everything that the protocol can say: each kind of frame, each form of its length, fragments
/// with others between them, and so many that they share segments.
pub(crate) async fn everything(socket: &mut Socket) {
    // The three forms of a length, and their borders (RFC 6455, section 5.2).
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
        let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
        assert_echo(socket, Message::binary(bytes)).await;
        assert_echo(socket, Message::text("é".repeat(length / 2))).await;
    }
    fragments(socket).await;
    let ping = Bytes::from(vec![7; 125]);
    say(socket, Message::Ping(ping.clone())).await;
    assert_eq!(hear(socket).await, Message::Pong(ping));
    thousands(socket).await;
}

/// A message in pieces, one of them empty, cut inside of a character, with a ping in their midst.
async fn fragments(socket: &mut Socket) {
    let pieces: [&[u8]; 4] = [b"caf\xc3", b"", b"\xa9 and", b" more"];
    for (at, piece) in pieces.into_iter().enumerate() {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let last = at + 1 == pieces.len();
        let frame = Frame::message(piece, OpCode::Data(kind), last);
        say(socket, Message::Frame(frame)).await;
        if at == 1 {
            say(socket, Message::Ping(Bytes::new())).await;
            assert_eq!(hear(socket).await, Message::Pong(Bytes::new()));
        }
    }
    assert_eq!(hear(socket).await, Message::text("café and more"));
}

async fn thousands(socket: &mut Socket) {
    const MANY: usize = 5000;
    let (mut write, mut read) = socket.split();
    let send = async {
        for number in 0..MANY {
            let message = Message::text(number.to_string());
            write.feed(message).await.expect("sent");
        }
        write.flush().await.expect("sent");
    };
    let receive = async {
        for number in 0..MANY {
            let message = read.next().await.expect("a message").expect("readable");
            assert_eq!(message, Message::text(number.to_string()));
        }
    };
    let both = async { tokio::join!(send, receive) };
    let both = tokio::time::timeout(DEADLINE, both).await;
    both.expect("in time");
}

/// The closing handshake with this code, half-closed behind it.
pub(crate) async fn close(mut socket: Socket, code: u16) {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: "that is all".into(),
    };
    say(&mut socket, Message::Close(Some(frame.clone()))).await;
    socket.get_mut().shutdown().await.expect("half-closed");
    assert_eq!(hear(&mut socket).await, Message::Close(Some(frame)));
    let end = tokio::time::timeout(DEADLINE, socket.next()).await;
    assert!(end.expect("in time").is_none(), "{code}: no clean end");
}

/// A text that is none: what the server makes of it is the server's affair.
pub(crate) async fn no_text(mut socket: Socket) {
    let frame = Frame::message(&b"\xc3\x28"[..], OpCode::Data(Data::Text), true);
    say(&mut socket, Message::Frame(frame)).await;
    let end = tokio::time::timeout(DEADLINE, socket.next()).await;
    let end = end.expect("in time");
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
}

async fn assert_echo(socket: &mut Socket, message: Message) {
    say(socket, message.clone()).await;
    let heard = hear(socket).await;
    assert!(heard == message, "{} bytes differ", message.len());
}

async fn say(socket: &mut Socket, message: Message) {
    let said = tokio::time::timeout(DEADLINE, socket.send(message)).await;
    said.expect("in time").expect("sent");
}

async fn hear(socket: &mut Socket) -> Message {
    let heard = tokio::time::timeout(DEADLINE, socket.next()).await;
    heard
        .expect("in time")
        .expect("a message")
        .expect("readable")
}
