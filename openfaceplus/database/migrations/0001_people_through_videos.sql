-- What vectors may be compared with: a network with its weights and how its faces were cropped.
CREATE TABLE space (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 4000)
);

-- A video's content, indexed with some settings. Its path is the bytes that name the file.
CREATE TABLE video (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space integer NOT NULL REFERENCES space,
    settings text NOT NULL,
    hash text NOT NULL,
    path bytea NOT NULL,
    duration double precision,
    rate double precision,
    width integer,
    height integer,
    recorded_at timestamptz,
    indexed_at timestamptz NOT NULL DEFAULT now(),
    indexed_by text NOT NULL,
    done boolean NOT NULL DEFAULT false,
    UNIQUE (hash, space, settings)
);

-- A face followed through a video, whose times are seconds from the start.
CREATE TABLE sequence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video integer NOT NULL REFERENCES video ON DELETE CASCADE,
    starts double precision NOT NULL,
    ends double precision NOT NULL CHECK (ends >= starts),
    faces integer NOT NULL,
    yaw real,
    pitch real,
    roll real,
    evidence real NOT NULL,
    spread real NOT NULL
);
CREATE INDEX sequence_video ON sequence (video, starts);

-- A face at a time: a box and landmarks (x, y, x, y, ...) in pixels of the upright frame.
CREATE TABLE face (
    sequence bigint NOT NULL REFERENCES sequence ON DELETE CASCADE,
    at double precision NOT NULL,
    "left" real NOT NULL,
    top real NOT NULL,
    "right" real NOT NULL,
    bottom real NOT NULL,
    points real[],
    yaw real,
    pitch real,
    roll real,
    score real NOT NULL,
    quality real NOT NULL
);
CREATE INDEX face_sequence ON face (sequence);

-- The best faces of a sequence. Their vectors are compared within a few sequences only.
CREATE TABLE crop (
    sequence bigint NOT NULL REFERENCES sequence ON DELETE CASCADE,
    at double precision NOT NULL,
    quality real NOT NULL,
    jpeg bytea NOT NULL,
    vector halfvec NOT NULL
);
ALTER TABLE crop ALTER COLUMN jpeg SET STORAGE EXTERNAL;
CREATE INDEX crop_sequence ON crop (sequence);

-- Who: anonymous without a name. The key is the id that somebody has in a trained model.
CREATE SEQUENCE person_id AS integer;
CREATE TABLE person (
    id integer PRIMARY KEY,
    name text UNIQUE,
    key text UNIQUE,
    cohesion double precision
);

-- A vector of somebody's photo, from a trained model.
CREATE SEQUENCE template_id;
CREATE TABLE template (
    id bigint PRIMARY KEY,
    person integer NOT NULL REFERENCES person
);
CREATE INDEX template_person ON template (person);

-- Vectors lie alone, in rows that never change: a changed row would enter the index once more.
CREATE TABLE vector (
    space integer NOT NULL REFERENCES space,
    video integer REFERENCES video ON DELETE CASCADE,
    sequence bigint UNIQUE REFERENCES sequence ON DELETE CASCADE,
    template bigint UNIQUE REFERENCES template ON DELETE CASCADE,
    value halfvec NOT NULL,
    CHECK ((sequence IS NULL) <> (template IS NULL)),
    CHECK ((sequence IS NULL) = (video IS NULL))
);
CREATE INDEX vector_video ON vector (video);

-- Every decision, and what it changed: [what, key, before, after]. The next tables follow from it.
CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    author text,
    command text NOT NULL,
    undoes bigint,
    changes jsonb NOT NULL
);

CREATE TABLE assignment (
    sequence bigint PRIMARY KEY REFERENCES sequence ON DELETE CASCADE,
    person integer NOT NULL REFERENCES person,
    score double precision,
    cohesion_before double precision,
    cohesion_after double precision,
    fixed boolean NOT NULL
);
CREATE INDEX assignment_person ON assignment (person);

CREATE TABLE refusal (
    sequence bigint NOT NULL REFERENCES sequence ON DELETE CASCADE,
    person integer NOT NULL REFERENCES person,
    PRIMARY KEY (sequence, person)
);
CREATE INDEX refusal_person ON refusal (person);

CREATE TABLE suggestion (
    sequence bigint NOT NULL REFERENCES sequence ON DELETE CASCADE,
    person integer NOT NULL REFERENCES person,
    score double precision NOT NULL,
    PRIMARY KEY (sequence, person)
);
CREATE INDEX suggestion_person ON suggestion (person);

-- Only forgetting takes out of the log, and says so.
CREATE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('openfaceplus.forgetting', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'the event log is only appended to';
END $$;
CREATE TRIGGER keep_events BEFORE UPDATE OR DELETE ON event
    FOR EACH ROW EXECUTE FUNCTION keep_events();
