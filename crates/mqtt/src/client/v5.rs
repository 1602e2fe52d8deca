//! MQTT 5: adds expiry, reason codes, correlation data and a delayed last will to 3.1.1.

use rumqttc_v5::{
    AsyncClient, ConnectProperties, ConnectReturnCode, ConnectionError, Event as RawEvent, EventLoop,
    LastWill, LastWillProperties, MqttOptions, NetworkOptions, Outgoing, Packet, PubAckReason,
    PublishOptions, PublishProperties, QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{
    CONNECT_TIMEOUT_S, Event, LinkError, MAX_BYTES, Message, QUEUE, Received, Settings, WILL_DELAY_S,
    explain_io, explain_text,
};

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
    connected: bool,
}

pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    let device = settings.client_id.clone();
    let mut options = MqttOptions::new(settings.client_id, (settings.host, settings.port));
    if let Some(will) = settings.will {
        options.set_last_will(last_will(will, &device));
    }
    let keep_alive_s = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let mut connect = ConnectProperties::new();
    connect.session_expiry_interval = Some(WILL_DELAY_S);
    options.set_keep_alive(keep_alive_s).set_connect_properties(connect);
    options.set_max_packet_size(Some(MAX_BYTES));
    if let Some(tls) = settings.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
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
    Ok((Sender { client, device }, Link { events, connected: false }))
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
        let event = self.events.poll().await.map_err(|error| explain(error, self.connected))?;
        Ok(match event {
            RawEvent::Incoming(Packet::ConnAck(_)) => {
                self.connected = true;
                Event::Connected
            }
            RawEvent::Outgoing(Outgoing::Publish(number)) => Event::Sent(number),
            RawEvent::Incoming(Packet::PubAck(receipt)) => match receipt.reason {
                // No subscriber is not an error.
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                    Event::Acknowledged(receipt.pkid)
                }
                reason => Event::Refused(receipt.pkid, format!("{reason:?}")),
            },
            RawEvent::Incoming(Packet::SubAck(receipt)) => {
                let refused =
                    receipt.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                refused.map_or(Event::Subscribed, |code| Event::NotSubscribed(format!("{code:?}")))
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
}

fn explain(error: ConnectionError, connected: bool) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => LinkError::Credentials,
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion,
        ) => LinkError::Refused("it does not speak MQTT 5 (mqtt.protocol = 4)".to_owned()),
        ConnectionError::ConnectionRefused(code) => LinkError::Refused(format!("{code:?}")),
        ConnectionError::Timeout(_) => LinkError::Timeout,
        ConnectionError::Io(error) => explain_io(&error, connected),
        ConnectionError::Tls(rumqttc_v5::TlsError::Io(error)) => explain_io(&error, connected),
        ConnectionError::Tls(error) => LinkError::Tls(error.to_string()),
        other => explain_text(other.to_string(), connected),
    }
}
