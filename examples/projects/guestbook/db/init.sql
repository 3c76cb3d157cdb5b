CREATE TABLE entry (
    id         serial PRIMARY KEY,
    name       text NOT NULL,
    town       text NOT NULL DEFAULT '',
    message    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE comment (
    id         serial PRIMARY KEY,
    entry_id   integer NOT NULL REFERENCES entry ON DELETE CASCADE,
    name       text NOT NULL,
    message    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO entry (name, town, message, created_at)
SELECT (ARRAY['Ada','Bram','Cleo','Dana','Emil','Fay','Gus','Hedy','Ivo','Jo','Kim','Lars'])[1 + i % 12],
       (ARRAY['Aachen','Bern','Cork','Delft','Essen','Faro','Graz'])[1 + i % 7],
       repeat((ARRAY['What a lovely place. ', 'We came by train and stayed a week. ',
                     'The view from the tower is worth every step. ', 'Greetings to the kitchen! ',
                     'It rained, and it was splendid. '])[1 + i % 5], 3 + i % 14),
       now() - (400 - i) * interval '7 hours'
FROM generate_series(1, 400) AS i;

INSERT INTO comment (entry_id, name, message)
SELECT 1 + (i * 37) % 400,
       (ARRAY['Ada','Bram','Cleo','Dana','Emil','Fay'])[1 + i % 6],
       repeat('Thank you, come again. ', 1 + i % 5)
FROM generate_series(1, 1200) AS i;

CREATE INDEX entry_created ON entry (created_at DESC);
CREATE INDEX comment_entry ON comment (entry_id);
CREATE INDEX entry_words ON entry USING gin (to_tsvector('english', message));
ANALYZE;
