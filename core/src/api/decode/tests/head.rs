//! What the head of a request says by itself.

use super::*;
use crate::api::routes::Right;

#[test]
fn the_head_says_what_a_request_is() {
    let routed = |method, target| route(request(method, target, &[], b"").head());
    let publish = routed("POST", "/pub?topic=t");
    assert_eq!((publish.right(), publish.only_looks()), (Right::Publish, false));
    assert_eq!((publish.topic().map(Name::as_str), publish.channel()), (Some("t"), None));
    assert_eq!((publish.body_limit(&limits()), publish.fault()), (10, None));
    let sub = routed("GET", "/sub?topic=t%23ephemeral&channel=c");
    assert_eq!((sub.right(), sub.only_looks(), sub.body_limit(&limits())), (Right::Consume, false, 60));
    assert_eq!(sub.topic().map(Name::as_str), Some("t#ephemeral"));
    assert_eq!(sub.channel().map(Name::as_str), Some("c"));
    let peek = routed("GET", "/peek?topic=t");
    assert!(peek.only_looks() && peek.channel().is_none() && peek.fault().is_none());
    assert_eq!(routed("GET", "/ping").right(), Right::Open);
    assert_eq!(routed("GET", "/stats").right(), Right::Watch);
    assert_eq!(routed("POST", "/channel/seek?topic=t&channel=c").right(), Right::Admin);
    let code = |method, target| routed(method, target).fault().map(|fault| fault.code);
    assert_eq!(code("GET", "/nothing"), Some(Code::NotFound));
    assert_eq!(code("GET", "/pub"), Some(Code::MethodNotAllowed));
    assert_eq!(code("POST", "/pub?topic=%zz"), Some(Code::InvalidRequest));
    assert_eq!(code("GET", "/peek?topic=t&channel="), Some(Code::InvalidArgChannel));
    let refused = routed("POST", "/fin?topic=t&tpic=x");
    let refusal = refused.refusal().expect("it needs a channel");
    assert_eq!((refusal.status, refused.route().map(|route| route.path)), (400, Some("/fin")));
    assert!(refusal.headers.iter().any(|(field, _)| field.name() == "shelf-ignored"));
}

#[test]
fn what_only_looks_is_all_that_may_be_looked_at() {
    let code = |method, target| {
        let request = request(method, target, &[], b"x");
        route(request.head()).decode_query(&limits(), request.body).call.err().map(|error| error.code)
    };
    assert_eq!(code("GET", "/peek?topic=t"), None);
    assert_eq!(code("GET", "/peek"), Some(Code::MissingArgTopic));
    assert_eq!(code("GET", "/sub?max=x"), Some(Code::ReadOnly));
    assert_eq!(code("POST", "/pub"), Some(Code::ReadOnly));
    assert_eq!(code("POST", "/ping"), Some(Code::MethodNotAllowed));
}

#[test]
fn each_call_is_for_the_engine_that_knows() {
    let scope = |method, target| format!("{:?}", route(request(method, target, &[], b"x").head()).scope());
    assert_eq!(scope("POST", "/pub?topic=t%2e"), "Topic(\"t.\")");
    assert_eq!(scope("POST", "/channel/delete?topic=t&channel=c"), "Topic(\"t\")");
    assert_eq!(scope("POST", "/pub"), "Node");
    assert_eq!(scope("GET", "/ping"), "Node");
    let stats =
        |topic, clients| format!("Stats(Filter {{ topic: {topic}, channel: None, clients: {clients}, search: None }})");
    assert_eq!(scope("GET", "/metrics"), stats("None", false));
    assert_eq!(scope("GET", "/nodes"), stats("None", false));
    assert_eq!(scope("GET", "/lookup?topic=t"), stats("Some(\"t\")", false));
    assert_eq!(scope("GET", "/stats?topic=t"), stats("Some(\"t\")", true));
}

#[test]
fn what_is_not_there_is_said_so() {
    assert_eq!(error("GET", "/nothing", &[], b"").code, Code::NotFound);
    let error = error("GET", "/pub?topic=t", &[], b"");
    assert_eq!((error.code, error.allow.as_deref()), (Code::MethodNotAllowed, Some("POST")));
    assert_eq!(error.sentence(), "GET does not go with /pub: use POST.");
}
