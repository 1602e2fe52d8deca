//! MQTT 3.1.1, protocol level 4.

use rumqttc_v4::{
    AsyncClient, ConnectReturnCode, ConnectionError, Error as PacketError, Event as RawEvent, EventLoop,
    LastWill, MqttOptions, NetworkOptions, Outgoing, Packet, PublishOptions, QoS, StateError,
    SubscribeReasonCode,
};

use super::transport::{MAX_INCOMING, Transport};
use super::{CONNECT_TIMEOUT_S, Event, LinkError, MAX_BYTES, Message, NO_LIMITS, QUEUE, Received, Settings};

#[derive(Debug)]
pub(crate) struct Sender(AsyncClient);

pub(crate) struct Link {
    events: EventLoop,
    pub(super) transport: Transport,
    connected: bool,
}

pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    let transport = Transport::new(&settings.host, settings.tls);
    let mut options = MqttOptions::new(settings.client_id, (settings.host, settings.port));
    let keep_alive_s = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    if let Some(Message { topic, payload, retain, .. }) = settings.will {
        options.set_last_will(LastWill::new(topic, payload.to_vec(), QoS::AtLeastOnce, retain));
    }
    options
        .set_keep_alive(keep_alive_s)
        .set_max_packet_size(MAX_INCOMING, MAX_BYTES as usize)
        .set_clean_session(true);
    let connecting = transport.clone();
    options.set_socket_connector(move |address, network| connecting.clone().connect(address, network));
    if let Some((username, password)) = settings.credentials {
        options.set_credentials(username, password);
    }
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(QUEUE)
        .try_build()
        .map_err(|error| LinkError::Unreachable(error.to_string()))?;
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    events.set_network_options(network);
    Ok((Sender(client), Link { events, transport, connected: false }))
}

impl Sender {
    pub(super) fn publish(&self, message: Message) -> bool {
        let options = PublishOptions::at_least_once().retain(message.retain);
        self.0.try_publish(message.topic, &message.payload[..], options).is_ok()
    }

    pub(super) fn subscribe(&self, filter: &str) -> bool {
        self.0.try_subscribe(filter, QoS::AtLeastOnce).is_ok()
    }

    pub(super) fn disconnect(&self) -> bool {
        self.0.try_disconnect_now().is_ok()
    }
}

impl Link {
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        let event = self.events.poll().await.map_err(|error| self.explain(&error))?;
        Ok(match event {
            RawEvent::Incoming(Packet::ConnAck(_)) => {
                self.connected = true;
                Event::Connected(NO_LIMITS)
            }
            RawEvent::Outgoing(Outgoing::Publish(number)) => Event::Sent(number),
            RawEvent::Incoming(Packet::PubAck(receipt)) => Event::Acknowledged(receipt.pkid),
            RawEvent::Incoming(Packet::SubAck(receipt)) => {
                let refused = receipt.return_codes.contains(&SubscribeReasonCode::Failure);
                if refused { Event::NotSubscribed("refused") } else { Event::Subscribed }
            }
            RawEvent::Incoming(Packet::Publish(message)) => Event::Received(Received {
                topic: String::from_utf8_lossy(&message.topic).into_owned(),
                payload: message.payload.to_vec(),
                retained: message.retain,
                correlation: None,
            }),
            RawEvent::Outgoing(Outgoing::Disconnect) => Event::Closed,
            _ => Event::Other,
        })
    }

    fn explain(&self, error: &ConnectionError) -> LinkError {
        if let Some(fault) = self.transport.take_fault() {
            return fault;
        }
        let (connected, encrypted) = (self.connected, self.transport.is_encrypted());
        match error {
            ConnectionError::ConnectionRefused(code) => refusal(*code),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => LinkError::Timeout,
            ConnectionError::Io(error)
            | ConnectionError::MqttState(
                StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)),
            ) => LinkError::of_io(error, connected, encrypted),
            ConnectionError::MqttState(StateError::ConnectionAborted) => {
                LinkError::closed(connected, encrypted)
            }
            ConnectionError::MqttState(StateError::AwaitPingResp | StateError::CollisionTimeout) => {
                LinkError::Timeout
            }
            ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => {
                LinkError::Lost("the broker sends something that is not MQTT 3.1.1".to_owned())
            }
            _ => LinkError::Lost("the MQTT library ended it".to_owned()),
        }
    }
}

fn refusal(code: ConnectReturnCode) -> LinkError {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => LinkError::Credentials,
        ConnectReturnCode::RefusedProtocolVersion => LinkError::Version,
        ConnectReturnCode::BadClientId => LinkError::Refused("it does not accept this client id"),
        ConnectReturnCode::ServiceUnavailable => LinkError::Refused("it is not available now"),
        ConnectReturnCode::Success => LinkError::Refused("without a reason"),
    }
}
