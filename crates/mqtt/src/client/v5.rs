//! MQTT 5: adds expiry, reason codes, correlation data and a delayed last will to 3.1.1.

use rumqttc_v5::{
    AsyncClient, ConnAck, ConnectProperties, ConnectReturnCode, ConnectionError, DisconnectReasonCode,
    Error as PacketError, Event as RawEvent, EventLoop, LastWill, LastWillProperties, MqttOptions,
    NetworkOptions, Outgoing, Packet, PubAckReason, PublishOptions, PublishProperties, QoS, StateError,
    SubscribeReasonCode,
};

use super::transport::Transport;
use super::{
    CONNECT_TIMEOUT_S, Event, Limits, LinkError, MAX_BYTES, Message, NO_LIMITS, QUEUE, Received, Settings,
    WILL_DELAY_S,
};

/// More than the messages that the outbox has in flight.
const MAX_IN_FLIGHT: u16 = QUEUE as u16;
const CONTENT_TYPE: &str = "application/json";
/// MQTT 5, section 3.3.2.3.2: the payload is UTF-8.
const IS_TEXT: u8 = 1;

#[derive(Debug)]
pub(crate) struct Sender {
    client: AsyncClient,
    device: String,
}

pub(crate) struct Link {
    events: EventLoop,
    pub(super) transport: Transport,
    connected: bool,
}

pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    let device = settings.client_id.clone();
    let transport = Transport::new(&settings.host, settings.tls);
    let mut options = MqttOptions::new(settings.client_id, (settings.host, settings.port));
    if let Some(will) = settings.will {
        options.set_last_will(last_will(will, &device));
    }
    let keep_alive_s = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let mut connect = ConnectProperties::new();
    connect.session_expiry_interval = Some(WILL_DELAY_S);
    options.set_keep_alive(keep_alive_s).set_connect_properties(connect);
    options.set_max_packet_size(Some(MAX_BYTES));
    // The library allocates as many slots; its default of 65,535 takes 16 MB.
    options.set_outgoing_inflight_upper_limit(MAX_IN_FLIGHT);
    let connecting = transport.clone();
    options.set_socket_connector(move |address, network| connecting.clone().connect(address, network));
    if let Some((username, password)) = settings.credentials {
        options.set_credentials(username, password);
    }
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    options.set_network_options(network);
    let (client, events) = AsyncClient::builder(options)
        .capacity(QUEUE)
        .try_build()
        .map_err(|error| LinkError::Unreachable(error.to_string()))?;
    Ok((Sender { client, device }, Link { events, transport, connected: false }))
}

fn last_will(will: Message, device: &str) -> LastWill {
    let properties = LastWillProperties {
        delay_interval: Some(WILL_DELAY_S),
        payload_format_indicator: Some(IS_TEXT),
        message_expiry_interval: None,
        content_type: Some(CONTENT_TYPE.to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: user_properties(will.schema, device),
    };
    LastWill::new(will.topic, will.payload.to_vec(), QoS::AtLeastOnce, will.retain, Some(properties))
}

fn user_properties(schema: &str, device: &str) -> Vec<(String, String)> {
    vec![("schema".to_owned(), schema.to_owned()), ("device".to_owned(), device.to_owned())]
}

impl Sender {
    pub(super) fn publish(&self, message: Message) -> bool {
        let properties = PublishProperties {
            payload_format_indicator: Some(IS_TEXT),
            message_expiry_interval: message
                .expires_after
                .map(|span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX)),
            correlation_data: message.correlation.map(Into::into),
            user_properties: user_properties(message.schema, &self.device),
            content_type: Some(CONTENT_TYPE.to_owned()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once().retain(message.retain).properties(properties);
        self.client.try_publish(message.topic, &message.payload[..], options).is_ok()
    }

    pub(super) fn subscribe(&self, filter: &str) -> bool {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).is_ok()
    }

    pub(super) fn disconnect(&self) -> bool {
        self.client.try_disconnect_now().is_ok()
    }
}

impl Link {
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        let event = self.events.poll().await.map_err(|error| self.explain(&error))?;
        Ok(match event {
            RawEvent::Incoming(Packet::ConnAck(accepted)) => {
                self.connected = true;
                Event::Connected(limits(&accepted))
            }
            RawEvent::Outgoing(Outgoing::Publish(number)) => Event::Sent(number),
            RawEvent::Incoming(Packet::PubAck(receipt)) => match receipt.reason {
                PubAckReason::Success => Event::Acknowledged(receipt.pkid),
                PubAckReason::NoMatchingSubscribers => Event::NoSubscriber(receipt.pkid),
                reason => Event::Refused(receipt.pkid, refused_publication(reason)),
            },
            RawEvent::Incoming(Packet::SubAck(receipt)) => {
                let refused =
                    receipt.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                refused.map_or(Event::Subscribed, |code| Event::NotSubscribed(refused_subscription(code)))
            }
            RawEvent::Incoming(Packet::Publish(message)) => Event::Received(Received {
                topic: String::from_utf8_lossy(&message.topic).into_owned(),
                payload: message.payload.to_vec(),
                retained: message.retain,
                correlation: message
                    .properties
                    .and_then(|properties| properties.correlation_data)
                    .map(|data| data.to_vec()),
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
            ConnectionError::ConnectionRefused(code) => refused_connection(*code),
            ConnectionError::Timeout(_) => LinkError::Timeout,
            ConnectionError::Io(error) => LinkError::of_io(error, connected, encrypted),
            ConnectionError::MqttState(error) => of_state(error, connected, encrypted),
            // Brokers of MQTT 3.1.1 answer in its form.
            ConnectionError::NotConnAck(_) => LinkError::Version,
            _ => LinkError::Lost("the MQTT library ended it".to_owned()),
        }
    }
}

fn of_state(error: &StateError, connected: bool, encrypted: bool) -> LinkError {
    match error {
        StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)) => {
            LinkError::of_io(error, connected, encrypted)
        }
        StateError::ConnectionAborted => LinkError::closed(connected, encrypted),
        StateError::AwaitPingResp | StateError::CollisionTimeout => LinkError::Timeout,
        StateError::OutgoingPacketTooLarge { .. } => LinkError::TooLarge,
        StateError::ServerDisconnect { reason_code, .. } => ended(*reason_code),
        StateError::ConnFail { reason } => refused_connection(*reason),
        // A refusal in the form of MQTT 3.1.1 is too short for MQTT 5.
        _ if !connected => LinkError::Version,
        StateError::RetainNotSupported => LinkError::Lost("the broker retains no messages".to_owned()),
        _ => LinkError::Lost("the broker sends something that is not MQTT 5".to_owned()),
    }
}

fn limits(accepted: &ConnAck) -> Limits {
    accepted.properties.as_ref().map_or(NO_LIMITS, |properties| Limits {
        packet_bytes: properties.max_packet_size.unwrap_or(MAX_BYTES).min(MAX_BYTES),
        retains: properties.retain_available != Some(0),
    })
}

const fn refused_connection(code: ConnectReturnCode) -> LinkError {
    use ConnectReturnCode as Code;
    LinkError::Refused(match code {
        Code::BadUserNamePassword | Code::NotAuthorized => return LinkError::Credentials,
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => return LinkError::Version,
        Code::BadClientId | Code::ClientIdentifierNotValid => "it does not accept this client id",
        Code::ServiceUnavailable | Code::ServerUnavailable | Code::ServerBusy => "it is not available now",
        Code::Banned => "it has banned this device",
        Code::TopicNameInvalid => {
            "it does not accept the topic of the last will; correct room.site and room.name"
        }
        Code::QuotaExceeded | Code::ConnectionRateExceeded => "too many connections",
        Code::RetainNotSupported => "it retains no messages, which the last will needs",
        Code::QoSNotSupported => "it does not support QoS 1",
        Code::UseAnotherServer | Code::ServerMoved => "it has moved; correct mqtt.host",
        _ => "look at its log",
    })
}

const fn ended(code: DisconnectReasonCode) -> LinkError {
    use DisconnectReasonCode as Code;
    LinkError::Ended(match code {
        Code::SessionTakenOver => return LinkError::TakenOver,
        Code::PacketTooLarge => return LinkError::TooLarge,
        Code::NotAuthorized => "this device has no right to do what it did",
        Code::ServerShuttingDown => "it is shutting down",
        Code::ServerBusy => "it is busy",
        Code::KeepAliveTimeout => "it has heard nothing from this device",
        Code::MessageRateTooHigh | Code::QuotaExceeded | Code::ReceiveMaximumExceeded => {
            "this device sends too much for its limits"
        }
        Code::AdministrativeAction => "an administrator did it",
        Code::TopicNameInvalid | Code::TopicFilterInvalid => "it does not accept a topic",
        Code::RetainNotSupported => "it retains no messages",
        Code::QoSNotSupported => "it does not support QoS 1",
        Code::UseAnotherServer | Code::ServerMoved => "it has moved; correct mqtt.host",
        _ => "look at its log",
    })
}

const fn refused_publication(reason: PubAckReason) -> &'static str {
    match reason {
        PubAckReason::NotAuthorized => "not authorized",
        PubAckReason::TopicNameInvalid => "topic not accepted",
        PubAckReason::QuotaExceeded => "quota exceeded",
        PubAckReason::PayloadFormatInvalid => "payload not accepted",
        _ => "no reason given",
    }
}

const fn refused_subscription(reason: &SubscribeReasonCode) -> &'static str {
    match reason {
        SubscribeReasonCode::NotAuthorized => "not authorized",
        SubscribeReasonCode::TopicFilterInvalid => "topic not accepted",
        SubscribeReasonCode::QuotaExceeded => "quota exceeded",
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => "no wildcards",
        _ => "no reason given",
    }
}
