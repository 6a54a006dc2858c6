use super::scripted::{Scripted, Server, over_sockets};
use super::*;

#[tokio::test]
async fn what_does_not_answer_as_it_should_is_told_apart() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MOST_BYTES + 1)).into_bytes();
    let whole = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MOST_BYTES)).into_bytes();
    let server = Server::of(&[
        ("/hangs", Scripted::Hang),
        ("/endless", Scripted::Raw(endless)),
        ("/whole", Scripted::Raw(whole)),
        ("/declared", Scripted::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\nx".to_vec())),
        ("/short", Scripted::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".to_vec())),
        ("/noise", Scripted::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())),
        ("/closed", Scripted::Raw(Vec::new())),
    ])
    .await;
    let aws = over_sockets();
    for (path, failure) in [
        ("/hangs", HttpFailure::NoAnswer),
        ("/endless", HttpFailure::TooLong),
        ("/declared", HttpFailure::BrokeOff),
        ("/short", HttpFailure::BrokeOff),
        ("/noise", HttpFailure::NoConnection),
        ("/closed", HttpFailure::NoConnection),
    ] {
        assert_eq!(aws.http_get(&format!("{}{path}", server.url())).await, Err(failure), "{path}");
    }
    let reply = aws.http_get(&format!("{}/whole", server.url())).await.expect("the longest that is read");
    assert_eq!(reply.body.len(), MOST_BYTES);
    for (url, failure) in [
        ("http://127.0.0.1:1/", HttpFailure::NoConnection),
        ("ftp://127.0.0.1/", HttpFailure::NoAddress),
        ("127.0.0.1:80", HttpFailure::NoAddress),
        ("http://", HttpFailure::NoAddress),
        ("no address", HttpFailure::NoAddress),
    ] {
        assert_eq!(aws.http_get(url).await, Err(failure), "{url}");
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_and_not_for_ever() {
    let elsewhere = Server::of(&[("*", Scripted::json("{}"))]).await;
    let port = elsewhere.url().rsplit(':').next().unwrap_or_default().to_owned();
    let script = [
        ("/base", Scripted::To(307, "/base/".to_owned())),
        ("/base/", Scripted::json("[1]")),
        ("/folder/one", Scripted::To(302, "two".to_owned())),
        ("/folder/two", Scripted::json("[2]")),
        ("/round", Scripted::To(308, "/round".to_owned())),
        ("/away", Scripted::To(302, format!("{}/login?state=secret", elsewhere.url()))),
        ("/away/too", Scripted::To(302, format!("//127.0.0.1:{port}/login"))),
        ("/nowhere", Scripted::Raw(b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n".to_vec())),
    ];
    let server = Server::of(&script).await;
    let aws = over_sockets();
    let get = async |path: &str| aws.http_get_following(&format!("{}{path}", server.url())).await.expect("an answer");
    assert_eq!(get("/base").await.body, "[1]");
    assert_eq!(get("/folder/one").await.body, "[2]");
    let before = server.asked().len();
    assert_eq!(get("/round").await.status, 308);
    assert_eq!(server.asked().len() - before, MOST_REDIRECTS + 1);
    assert_eq!(get("/away").await.to_string(), format!("HTTP 302 to {}", elsewhere.url()));
    assert_eq!(get("/away/too").await.status, 302);
    assert_eq!(get("/nowhere").await.status, 302);
    assert_eq!(elsewhere.asked(), [""; 0], "nobody else is asked");
}

#[test]
fn an_answer_is_told_by_status_and_type_alone() {
    let reply = |kind: Option<&str>| HttpReply {
        status: 200,
        content_type: kind.map(str::to_owned),
        location: None,
        body: "secret".to_owned(),
    };
    assert_eq!(reply(Some("text/html; charset=utf-8")).to_string(), "HTTP 200, text/html");
    assert_eq!(reply(None).to_string(), "HTTP 200 without a content type");
    assert_eq!(reply(Some("text/html\u{1b}[31m")).to_string(), "HTTP 200, of an odd content type");
    assert_eq!(reply(Some(&"x".repeat(61))).to_string(), "HTTP 200, of an odd content type");
}

#[test]
fn an_address_is_shown_without_what_is_secret_in_it() {
    assert_eq!(shown_url("https://ann:secret@Example.com:8443/jaeger/?token=secret"), "https://Example.com:8443/jaeger");
    assert_eq!(host_of("https://ann:secret@Example.com:8443/jaeger/").as_deref(), Some("example.com"));
    assert_eq!(host_of("example.com:80"), None);
}
