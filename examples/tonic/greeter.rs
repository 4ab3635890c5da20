//! A gRPC service by hand, so that it needs no protoc: messages, server and client of
//!
//! ```proto
//! package greeter;
//! message Name { string text = 1; }
//! message Greeting { string text = 1; uint32 caller = 2; }
//! service Greeter {
//!   rpc Greet(Name) returns (Greeting);
//!   rpc GreetAll(stream Name) returns (Greeting);
//!   rpc Spell(Name) returns (stream Greeting);
//!   rpc Chat(stream Name) returns (stream Greeting);
//! }
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};
use unix_transport::adapters::Peer;

/// Who is to be greeted.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Name {
    /// The name.
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

/// A greeting.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Greeting {
    /// The greeting.
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    /// The process that called, as the kernel says; 0 if it doesn't.
    #[prost(uint32, tag = "2")]
    pub(crate) caller: u32,
}

impl Name {
    /// A name.
    pub(crate) fn new(text: &str) -> Name {
        Name { text: text.to_owned() }
    }
}

const GREET: &str = "/greeter.Greeter/Greet";
const GREET_ALL: &str = "/greeter.Greeter/GreetAll";
const SPELL: &str = "/greeter.Greeter/Spell";
const CHAT: &str = "/greeter.Greeter/Chat";

/// The server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Greeting, Name>::default());
        Box::pin(async move {
            Ok(match request.uri().path() {
                GREET => grpc.unary(service_fn(greet), request).await,
                GREET_ALL => grpc.client_streaming(service_fn(greet_all), request).await,
                SPELL => grpc.server_streaming(service_fn(spell), request).await,
                CHAT => grpc.streaming(service_fn(chat), request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        })
    }
}

/// The process at the other end of the connection that brought the request.
fn caller<T>(request: &Request<T>) -> u32 {
    let credentials = request.extensions().get::<Peer>().and_then(|peer| peer.credentials);
    credentials.and_then(|credentials| credentials.pid).unwrap_or_default()
}

async fn greet(request: Request<Name>) -> Result<Response<Greeting>, Status> {
    let caller = caller(&request);
    let text = format!("hello, {}", request.into_inner().text);
    Ok(Response::new(Greeting { text, caller }))
}

async fn greet_all(request: Request<Streaming<Name>>) -> Result<Response<Greeting>, Status> {
    let caller = caller(&request);
    let names: Vec<String> = request.into_inner().map_ok(|name| name.text).try_collect().await?;
    let text = format!("hello, {}", names.join(" and "));
    Ok(Response::new(Greeting { text, caller }))
}

/// What a streaming method answers.
type Greetings = BoxStream<'static, Result<Greeting, Status>>;

async fn spell(request: Request<Name>) -> Result<Response<Greetings>, Status> {
    let caller = caller(&request);
    let letters: Vec<char> = request.into_inner().text.chars().collect();
    let greetings = stream::iter(letters);
    Ok(Response::new(greetings.map(move |it| Ok(Greeting { text: it.into(), caller })).boxed()))
}

async fn chat(request: Request<Streaming<Name>>) -> Result<Response<Greetings>, Status> {
    let caller = caller(&request);
    let greet = move |name: Name| Greeting { text: format!("hello, {}", name.text), caller };
    Ok(Response::new(request.into_inner().map_ok(greet).boxed()))
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    grpc: tonic::client::Grpc<Channel>,
}

impl Client {
    /// A client that calls over `channel`.
    pub(crate) fn new(channel: Channel) -> Client {
        Client { grpc: tonic::client::Grpc::new(channel) }
    }

    /// Greets one.
    pub(crate) async fn greet(&mut self, name: &str) -> Result<Greeting, Status> {
        self.ready().await?;
        let (request, path) = (Request::new(Name::new(name)), PathAndQuery::from_static(GREET));
        Ok(self.grpc.unary(request, path, ProstCodec::default()).await?.into_inner())
    }

    /// Greets all of `names` at once.
    pub(crate) async fn greet_all(
        &mut self,
        names: impl Stream<Item = Name> + Send + 'static,
    ) -> Result<Greeting, Status> {
        self.ready().await?;
        let (request, path) = (Request::new(names), PathAndQuery::from_static(GREET_ALL));
        Ok(self.grpc.client_streaming(request, path, ProstCodec::default()).await?.into_inner())
    }

    /// The letters of `name`, one by one.
    pub(crate) async fn spell(&mut self, name: &str) -> Result<Streaming<Greeting>, Status> {
        self.ready().await?;
        let (request, path) = (Request::new(Name::new(name)), PathAndQuery::from_static(SPELL));
        Ok(self.grpc.server_streaming(request, path, ProstCodec::default()).await?.into_inner())
    }

    /// Greets each of `names` when it comes.
    pub(crate) async fn chat(
        &mut self,
        names: impl Stream<Item = Name> + Send + 'static,
    ) -> Result<Streaming<Greeting>, Status> {
        self.ready().await?;
        let (request, path) = (Request::new(names), PathAndQuery::from_static(CHAT));
        Ok(self.grpc.streaming(request, path, ProstCodec::default()).await?.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|e| Status::from_error(e.into()))
    }
}
