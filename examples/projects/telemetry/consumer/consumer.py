"""Takes readings from the queue 'archive' and keeps a running mean per sensor."""
import json
import os
import time

import pika

means = {}
seen = {"messages": 0, "bytes": 0, "told": time.monotonic()}


def on_message(channel, method, _properties, body):
    message = json.loads(body)
    series = message["series"]
    old, n = means.get(message["sensor"], (0.0, 0))
    total = n + len(series)
    means[message["sensor"]] = (old + (sum(series) - len(series) * old) / total, total)
    seen["messages"] += 1
    seen["bytes"] += len(body)
    channel.basic_ack(method.delivery_tag)
    if time.monotonic() - seen["told"] >= 10:
        seen["told"] = time.monotonic()
        print(f"received {seen['messages']} messages, {seen['bytes']} bytes, {len(means)} sensors", flush=True)


def main():
    while True:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
            channel = connection.channel()
            channel.exchange_declare("readings", exchange_type="topic", durable=True)
            channel.queue_declare("archive", durable=True, arguments={"x-max-length": 10000})
            channel.queue_bind("archive", "readings", "plant.#")
            channel.basic_qos(prefetch_count=50)
            channel.basic_consume("archive", on_message)
            print("waiting for readings", flush=True)
            channel.start_consuming()
        except (pika.exceptions.AMQPError, OSError) as err:
            print("no broker:", repr(err), flush=True)
            time.sleep(1)


main()
