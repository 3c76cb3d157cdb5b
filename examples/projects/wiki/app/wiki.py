import os
import queue
import random
import time
from contextlib import contextmanager

import pymysql
import redis
from flask import Flask, abort, redirect, render_template, request, url_for

app = Flask(__name__)
CACHE_SECONDS = int(os.environ.get("CACHE_SECONDS", 5))
cache = redis.Redis(connection_pool=redis.BlockingConnectionPool(
    host=os.environ.get("REDIS_HOST", "redis"), max_connections=8, timeout=20, decode_responses=True))
idle = queue.LifoQueue()
for _ in range(4):
    idle.put(None)


def connect(attempts=60):
    for attempt in range(attempts):
        try:
            return pymysql.connect(host=os.environ["DB_HOST"], user=os.environ["DB_USER"],
                                   password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"],
                                   charset="utf8mb4", autocommit=True, connect_timeout=5,
                                   cursorclass=pymysql.cursors.DictCursor)
        except pymysql.OperationalError as err:
            if attempt == attempts - 1:
                raise
            print(f"database not ready ({err}), attempt {attempt + 1}", flush=True)
            time.sleep(1)


@contextmanager
def cursor():
    """A cursor on one of four pooled connections; waits for a free one."""
    connection = idle.get(timeout=30)
    try:
        connection = connection or connect()
        with connection.cursor() as cur:
            yield cur
    except pymysql.OperationalError:
        connection = None
        raise
    finally:
        idle.put(connection)


def fill():
    """Two hundred pages that refer to each other, made once."""
    words = ("water gate river stone bridge mill wheel sluice canal lock gold gravel sand pump keeper level flood tide"
             " field meadow spring summer autumn winter").split()
    rng = random.Random(1)
    with cursor() as cur:
        cur.execute("SELECT GET_LOCK('fill', 60) AS got")
        cur.execute("SELECT COUNT(*) AS n FROM page")
        if cur.fetchone()["n"] == 0:
            for i in range(1, 201):
                paragraphs = []
                for _ in range(rng.randint(2, 14)):
                    text = [rng.choice(words) for _ in range(rng.randint(30, 90))]
                    text[rng.randrange(len(text))] = f"[[Page {rng.randint(1, 200)}]]"
                    text[rng.randrange(len(text))] = f"[[Page {min(200, int(rng.paretovariate(1)))}]]"
                    paragraphs.append(" ".join(text).capitalize() + ".")
                body = "\n\n".join(paragraphs)
                cur.execute("INSERT INTO page (title, body) VALUES (%s, %s)", (f"Page {i}", body))
                cur.execute("INSERT INTO revision (page_id, author, size) VALUES (%s, 'keeper', %s)",
                            (cur.lastrowid, len(body)))
        cur.execute("SELECT RELEASE_LOCK('fill')")


fill()


@app.template_filter("wikitext")
def wikitext(body):
    """Paragraphs of text and links: [(kind, text), ...] each."""
    result = []
    for paragraph in body.split("\n\n"):
        parts = []
        for i, piece in enumerate(paragraph.replace("]]", "[[").split("[[")):
            parts.append(("link" if i % 2 else "text", piece))
        result.append(parts)
    return result


def cached(key, make):
    try:
        found = cache.get(key)
        if found is not None:
            return found
    except redis.RedisError as err:
        app.logger.warning("cache: %s", err)
        return make()
    made = make()
    cache.set(key, made, ex=CACHE_SECONDS)
    return made


@app.get("/")
def index():
    page = max(request.args.get("page", 1, type=int) or 1, 1)

    def make():
        with cursor() as cur:
            cur.execute("SELECT title, LEFT(body, 120) AS start, changed_at FROM page ORDER BY id LIMIT 25 OFFSET %s",
                        ((page - 1) * 25,))
            pages = cur.fetchall()
            cur.execute("SELECT COUNT(*) AS n FROM page")
            last = (cur.fetchone()["n"] + 24) // 25
            cur.execute("SELECT p.title, r.author, r.size, r.changed_at FROM revision r JOIN page p ON p.id = r.page_id"
                        " ORDER BY r.id DESC LIMIT 10")
            return render_template("index.html", pages=pages, page=page, last=last, changes=cur.fetchall())
    return cached(f"index:{page}", make)


@app.get("/wiki/<title>")
def show(title):
    def make():
        with cursor() as cur:
            cur.execute("SELECT * FROM page WHERE title = %s", (title,))
            page = cur.fetchone()
            if page is None:
                abort(404)
            cur.execute("SELECT author, size, changed_at FROM revision WHERE page_id = %s ORDER BY id DESC LIMIT 10",
                        (page["id"],))
            revisions = cur.fetchall()
            cur.execute("SELECT title FROM page WHERE body LIKE %s LIMIT 12", (f"%[[{title}]]%",))
            return render_template("page.html", page=page, revisions=revisions, back=cur.fetchall())
    return cached(f"page:{title}", make)


@app.route("/edit/<title>", methods=["GET", "POST"])
def edit(title):
    title = title[:120]
    with cursor() as cur:
        if request.method == "POST":
            body = request.form.get("body", "")[:60000]
            cur.execute("INSERT INTO page (title, body) VALUES (%s, %s) ON DUPLICATE KEY UPDATE body = VALUES(body)",
                        (title, body))
            cur.execute("INSERT INTO revision (page_id, author, size) SELECT id, %s, %s FROM page WHERE title = %s",
                        (request.form.get("author", "")[:60] or "guest", len(body), title))
            cache.delete(f"page:{title}")
            return redirect(url_for("show", title=title), code=303)
        cur.execute("SELECT body FROM page WHERE title = %s", (title,))
        found = cur.fetchone()
    return render_template("edit.html", title=title, body=found["body"] if found else "")


@app.get("/search")
def search():
    words = request.args.get("q", "").strip()[:100]
    with cursor() as cur:
        cur.execute("SELECT title, LEFT(body, 200) AS start, changed_at FROM page WHERE body LIKE %s OR title LIKE %s"
                    " LIMIT 25", (f"%{words}%", f"%{words}%"))
        return render_template("index.html", pages=cur.fetchall(), page=1, last=1, changes=[], words=words)


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
