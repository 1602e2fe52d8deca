//! MQTT 3.1.1, protocol level 4.

use rumqttc_v4::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event as RawEvent, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, PublishOptions, QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{
    CONNECT_TIMEOUT_S, Event, LinkError, MAX_BYTES, Message, QUEUE, Received, Settings, explain_io,
    explain_text,
};

#[derive(Debug)]
pub(crate) struct Sender(AsyncClient);

pub(crate) struct Link {
    events: EventLoop,
    connected: bool,
}

pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    let mut options = MqttOptions::new(settings.client_id, (settings.host, settings.port));
    let keep_alive_s = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    if let Some(Message { topic, payload, retain, .. }) = settings.will {
        options.set_last_will(LastWill::new(topic, payload.to_vec(), QoS::AtLeastOnce, retain));
    }
    options
        .set_keep_alive(keep_alive_s)
        .set_max_packet_size(MAX_BYTES as usize, MAX_BYTES as usize)
        .set_clean_session(true);
    if let Some(tls) = settings.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
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
    Ok((Sender(client), Link { events, connected: false }))
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
        let event = self.events.poll().await.map_err(|error| explain(error, self.connected))?;
        Ok(match event {
            RawEvent::Incoming(Packet::ConnAck(_)) => {
                self.connected = true;
                Event::Connected
            }
            RawEvent::Outgoing(Outgoing::Publish(number)) => Event::Sent(number),
            RawEvent::Incoming(Packet::PubAck(receipt)) => Event::Acknowledged(receipt.pkid),
            RawEvent::Incoming(Packet::SubAck(receipt)) => {
                let refused = receipt.return_codes.contains(&SubscribeReasonCode::Failure);
                if refused { Event::NotSubscribed("refused".to_owned()) } else { Event::Subscribed }
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
}

fn explain(error: ConnectionError, connected: bool) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => LinkError::Credentials,
        ConnectionError::ConnectionRefused(code) => LinkError::Refused(format!("{code:?}")),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => LinkError::Timeout,
        ConnectionError::Io(error) => explain_io(&error, connected),
        ConnectionError::Tls(rumqttc_v4::TlsError::Io(error)) => explain_io(&error, connected),
        ConnectionError::Tls(error) => LinkError::Tls(error.to_string()),
        other => explain_text(other.to_string(), connected),
    }
}
