//! Overlays that the broker retains before the device connects, and overlays that are published later.

use super::*;
use moodring_contract::OverlayScope;

#[test]
fn overlays_of_site_and_room_arrive_whenever_they_were_published() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut administrator = Dashboard::new(mosquitto.port, "moodring/school/room-1/status");
        let publish = |client: &AsyncClient, topic: &str, text: &str| {
            let options = rumqttc_v4::PublishOptions::at_least_once().retain(true);
            client.try_publish(topic, text.to_owned(), options).unwrap();
        };
        publish(&administrator.client, "moodring/school/overlay", "of the site");
        publish(&administrator.client, "moodring/school/room-2/overlay", "of somebody else");
        let (inbox, mut arrivals) = OverlayInbox::channel();
        let config = config::Mqtt::default();
        // Without commands too: overlays have a configuration key of their own.
        let target = target(mosquitto.port, config::Mqtt { commands: false, ..config });
        let _device = device_with(target, Spool::in_memory(10), |publisher| publisher.overlaid(Some(inbox)));
        administrator.find("online", |_, value| value["status"] == "online").await;
        let OverlayArrival { scope, message } = timeout(TIMEOUT, arrivals.recv()).await.unwrap().unwrap();
        assert_eq!((scope, &*message), (OverlayScope::Site, &b"of the site"[..]));
        publish(&administrator.client, "moodring/school/room-1/overlay", "of the room");
        let poll = administrator.find("nothing", |_, _| false);
        let arrival = tokio::select! {
            arrival = arrivals.recv() => arrival.unwrap(),
            _ = poll => unreachable!(),
        };
        assert_eq!((arrival.scope, &*arrival.message), (OverlayScope::Room, &b"of the room"[..]));
        assert!(arrivals.try_recv().is_err(), "an overlay of another room must not arrive");
    });
}
