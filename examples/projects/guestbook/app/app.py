import os
import time
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

import psycopg2
from flask import Flask, abort, redirect, render_template, request, url_for
from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

app = Flask(__name__)
PAGE_SIZE = int(os.environ.get("PAGE_SIZE", 20))
POOL_SIZE = 4

# A pool per worker, made on first use; a slot is waited for rather than refused.
slots = BoundedSemaphore(POOL_SIZE)
opening = Lock()
pool = None


def connect():
    url = os.environ["DATABASE_URL"]
    for attempt in range(60):
        try:
            return ThreadedConnectionPool(POOL_SIZE, POOL_SIZE, url)  # keeps all of them open
        except psycopg2.OperationalError as err:
            app.logger.warning("database not ready (%s), attempt %d", str(err).strip(), attempt + 1)
            time.sleep(1)
    raise RuntimeError("no connection to the database")


@contextmanager
def cursor():
    global pool
    with slots:
        with opening:
            if pool is None:
                pool = connect()
        connection = pool.getconn()
        broken = False
        try:
            with connection, connection.cursor(cursor_factory=RealDictCursor) as cur:
                yield cur
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            broken = True
            raise
        finally:
            pool.putconn(connection, close=broken or connection.closed != 0)


def sidebar(cur):
    cur.execute("SELECT town, count(*) AS n FROM entry GROUP BY town ORDER BY n DESC, town LIMIT 10")
    towns = cur.fetchall()
    cur.execute("SELECT c.entry_id, c.name, left(c.message, 80) AS message FROM comment c ORDER BY c.id DESC LIMIT 8")
    return {"towns": towns, "latest": cur.fetchall()}


@app.get("/")
def index():
    page = max(request.args.get("page", 1, type=int) or 1, 1)
    with cursor() as cur:
        cur.execute("SELECT count(*) AS n FROM entry")
        pages = max((cur.fetchone()["n"] + PAGE_SIZE - 1) // PAGE_SIZE, 1)
        cur.execute(
            "SELECT e.id, e.name, e.town, e.message, e.created_at,"
            " (SELECT count(*) FROM comment c WHERE c.entry_id = e.id) AS comments"
            " FROM entry e ORDER BY e.created_at DESC LIMIT %s OFFSET %s",
            (PAGE_SIZE, (page - 1) * PAGE_SIZE),
        )
        entries = cur.fetchall()
        side = sidebar(cur)
    return render_template("index.html", entries=entries, page=page, pages=pages, side=side)


@app.get("/entry/<int:entry_id>")
def entry(entry_id):
    with cursor() as cur:
        cur.execute("SELECT * FROM entry WHERE id = %s", (entry_id,))
        found = cur.fetchone()
        if found is None:
            abort(404)
        cur.execute("SELECT * FROM comment WHERE entry_id = %s ORDER BY id DESC LIMIT 50", (entry_id,))
        comments = cur.fetchall()
        cur.execute("SELECT id, name FROM entry WHERE town = %s AND id <> %s ORDER BY id DESC LIMIT 5",
                    (found["town"], entry_id))
        near = cur.fetchall()
        side = sidebar(cur)
    return render_template("entry.html", entry=found, comments=comments, near=near, side=side)


@app.post("/entry/<int:entry_id>/comment")
def comment(entry_id):
    name, message = request.form.get("name", "").strip()[:80], request.form.get("message", "").strip()[:2000]
    if name and message:
        with cursor() as cur:
            cur.execute("INSERT INTO comment (entry_id, name, message) SELECT id, %s, %s FROM entry WHERE id = %s",
                        (name, message, entry_id))
    return redirect(url_for("entry", entry_id=entry_id), code=303)


@app.get("/search")
def search():
    words = request.args.get("q", "").strip()[:200]
    with cursor() as cur:
        cur.execute(
            "SELECT id, name, town, message, created_at, 0 AS comments FROM entry"
            " WHERE to_tsvector('english', message) @@ plainto_tsquery('english', %s)"
            " ORDER BY created_at DESC LIMIT %s", (words, PAGE_SIZE))
        entries = cur.fetchall()
        side = sidebar(cur)
    return render_template("index.html", entries=entries, page=1, pages=1, side=side, words=words)


@app.route("/sign", methods=["GET", "POST"])
def sign():
    if request.method == "POST":
        name, message = request.form.get("name", "").strip()[:80], request.form.get("message", "").strip()[:4000]
        if name and message:
            with cursor() as cur:
                cur.execute("INSERT INTO entry (name, town, message) VALUES (%s, %s, %s) RETURNING id",
                            (name, request.form.get("town", "").strip()[:80], message))
                new_id = cur.fetchone()["id"]
            return redirect(url_for("entry", entry_id=new_id), code=303)
    with cursor() as cur:
        side = sidebar(cur)
    return render_template("sign.html", side=side)


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
