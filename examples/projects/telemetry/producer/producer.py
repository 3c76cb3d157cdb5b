"""Plays a number of sensors that send their readings to the exchange 'readings'."""
import json
import os
import random
import time

import pika

RATE = float(os.environ.get("MESSAGES_PER_SECOND", 60))
SIZE = int(os.environ.get("MESSAGE_BYTES", 4000))
SENSORS = int(os.environ.get("SENSORS", 20))
rng = random.Random()


def connect():
    while True:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
            channel = connection.channel()
            channel.exchange_declare("readings", exchange_type="topic", durable=True)
            print("connected", flush=True)
            return connection, channel
        except pika.exceptions.AMQPError as err:
            print("broker not ready:", repr(err), flush=True)
        except OSError as err:
            print("broker not reachable:", err, flush=True)
        time.sleep(1)


def reading():
    """One message: a series of samples, about SIZE bytes of JSON, at least half and at most one and a half times."""
    sensor = rng.randrange(SENSORS)
    samples = max(1, int(rng.uniform(0.5, 1.5) * SIZE / 9))
    level = rng.uniform(10, 90)
    series = [round(level + rng.gauss(0, 2), 3) for _ in range(samples)]
    return sensor, json.dumps({"sensor": sensor, "time": time.time(), "series": series})


def main():
    connection, channel = connect()
    sent = amount = 0
    due = told = time.monotonic()
    while True:
        due += rng.expovariate(RATE)
        try:
            wait = due - time.monotonic()
            if wait > 0:
                connection.sleep(wait)
            elif wait < -2:
                due = time.monotonic()
            sensor, body = reading()
            channel.basic_publish("readings", f"plant.line{sensor % 4}.sensor{sensor}", body,
                                  pika.BasicProperties(content_type="application/json"))
            sent += 1
            amount += len(body)
        except (pika.exceptions.AMQPError, OSError) as err:
            print("lost the broker:", repr(err), flush=True)
            connection, channel = connect()
            due = time.monotonic()
        if time.monotonic() - told >= 10:
            told = time.monotonic()
            print(f"sent {sent} messages, {amount} bytes", flush=True)


main()
