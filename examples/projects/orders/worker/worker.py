"""Books orders and runs reports at a steady pace."""
import os
import random
import signal
import threading
import time

import pymysql

ORDERS = float(os.environ.get("ORDERS_PER_SECOND", 25))
REPORTS = float(os.environ.get("REPORTS_PER_SECOND", 5))
ROWS = int(os.environ.get("REPORT_ROWS", 300))
CLERKS = max(int(os.environ.get("CLERKS", 3)), 1)
KEEP = int(os.environ.get("KEEP_ORDERS", 20000))

stop = threading.Event()
lock = threading.Lock()
done = {"orders": 0, "reports": 0, "rows": 0, "errors": 0}


def count(**what):
    with lock:
        for key, n in what.items():
            done[key] += n


def connect():
    while not stop.is_set():
        try:
            return pymysql.connect(
                host=os.environ.get("DB_HOST", "mariadb"), user=os.environ["DB_USER"],
                password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"],
                autocommit=True, connect_timeout=5, read_timeout=30, write_timeout=30)
        except pymysql.MySQLError as err:
            print("database not ready:", err, flush=True)
            stop.wait(1)
    return None


def book(cursor, rng):
    product = rng.randint(1, 200)
    cursor.execute("SELECT name, price, stock FROM product WHERE id = %s", (product,))
    cursor.fetchone()
    cursor.execute("INSERT INTO orders (customer, product_id, quantity, note) VALUES (%s, %s, %s, %s)",
                   (f"Customer {rng.randint(1, 97)}", product, rng.randint(1, 5), "as always " * rng.randint(0, 20)))
    if rng.random() < 0.02:
        cursor.execute("DELETE FROM orders WHERE id < (SELECT MAX(id) FROM (SELECT id FROM orders) o) - %s LIMIT 500",
                       (KEEP,))
    count(orders=1)


def report(cursor, rng):
    kind = rng.choice(("latest", "latest", "customer", "sales"))
    if kind == "latest":
        cursor.execute("SELECT o.id, o.customer, p.name, o.quantity, o.quantity * p.price AS total, o.note, o.created_at"
                       " FROM orders o JOIN product p ON p.id = o.product_id ORDER BY o.id DESC LIMIT %s", (ROWS,))
    elif kind == "customer":
        cursor.execute("SELECT id, product_id, quantity, note, created_at FROM orders WHERE customer = %s"
                       " ORDER BY id DESC LIMIT %s", (f"Customer {rng.randint(1, 97)}", ROWS))
    else:
        cursor.execute("SELECT p.name, COUNT(*), SUM(o.quantity), SUM(o.quantity * p.price) FROM"
                       " (SELECT product_id, quantity FROM orders ORDER BY id DESC LIMIT 2000) o"
                       " JOIN product p ON p.id = o.product_id GROUP BY p.id, p.name ORDER BY 4 DESC")
    count(reports=1, rows=len(cursor.fetchall()))


def clerk(number):
    rng = random.Random(number)
    connection = None
    due = time.monotonic()
    rate = (ORDERS + REPORTS) / CLERKS
    while not stop.is_set() and rate > 0:
        due += rng.expovariate(rate)
        wait = due - time.monotonic()
        if wait > 0:
            stop.wait(wait)
        elif wait < -2:  # too slow for the pace asked for: do not pile up a debt
            due = time.monotonic()
        try:
            if connection is None:
                connection = connect()
                due = time.monotonic()
                if connection is None:
                    return
            with connection.cursor() as cursor:
                (book if rng.random() * (ORDERS + REPORTS) < ORDERS else report)(cursor, rng)
        except pymysql.MySQLError as err:
            count(errors=1)
            print("clerk", number, "lost the database:", err, flush=True)
            connection = None
            stop.wait(1)


def main():
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    clerks = [threading.Thread(target=clerk, args=(i,), daemon=True) for i in range(CLERKS)]
    for thread in clerks:
        thread.start()
    while not stop.wait(10):
        with lock:
            print("booked {orders} orders, ran {reports} reports ({rows} rows), {errors} errors".format(**done), flush=True)


main()
