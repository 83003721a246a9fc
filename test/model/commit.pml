/*
 * The commit protocol (DESIGN §2, whose rule numbers are used here), small enough to be checked
 * exhaustively.
 *
 * Writers share one chain in a store of write-once keys. Clients send ids, and send them again wherever
 * and whenever they like. Requests are answered, not answered, lost, or land late; writers crash at any
 * moment. After every step that could break a promise, `audit` holds the whole chain against all of them.
 * docs/commit-model.md says what is left out; scripts/check-model.sh lists the configurations.
 *
 * As in the real thing a key is the sequence number of the first entry of its segment, so a segment
 * fixes the next key. A segment is one byte here: the set of its ids, who built it, and in which life.
 */

#ifndef WRITERS
#define WRITERS 2       /* at most 3 */
#endif
#ifndef IDS
#define IDS 3           /* ids that clients append; at most 4 */
#endif
#ifndef CRASHES
#define CRASHES 2       /* crashes of writers, altogether; with POWERCUTS at most 3 */
#endif
#ifndef LATE
#define LATE 2          /* requests under way at one time whose writer has given up on them; 1 or 2 */
#endif
#ifndef POWERCUTS
#define POWERCUTS 0     /* all writers crash, and what is visible but not yet durable may be gone */
#endif
#ifndef MARKERS
#define MARKERS 0       /* delete markers put by someone with write access; in either bucket */
#endif
#ifndef JUNK
#define JUNK 0          /* unsigned objects put by someone with write access; in either bucket */
#endif
#ifndef SECOND
#define SECOND 0        /* 1: what is in the log is copied to a second bucket, by two processes at once */
#endif
/* VERSIONED:     S3 with Object Lock: a key holds versions, the oldest valid one is the entry (rule 3).
 * NO_CONDITION:  the store ignores `If-None-Match`.
 * ARRIVAL_ORDER: ... but a version that becomes visible later never sorts as the older one.
 * WAIT_OUT:      a restarted writer waits until nothing it sent in an earlier life can still land. */

#define KEYS      (IDS + 1)
#define BIT(i)    (1 << (i))
#define COUNT(m)  (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1) + (((m) >> 3) & 1))
#define RANK(i,m) COUNT((m) & (BIT(i) - 1))
#define IDSOF(s)  ((s) & 15)
#define BUILTBY(s) ((((s) >> 4) & 3) - 1)
#define LIFEOF(s) ((s) >> 6)

/* ---- The store ---- */

mtype = { NOTHING, OBJECT, MARKER, DEBRIS };

byte  entry[KEYS];              /* the oldest valid version; 0: none */
byte  link[KEYS];               /* its prevHash: the segment it continues; 0: it is the first */
mtype latest[KEYS] = NOTHING;   /* what a condition is checked against; above `entry` it is a shadow */
#if POWERCUTS > 0
bool  durable[KEYS];            /* false: visible, but a power cut may still take it */
#define FSYNC(key, done) durable[key] = (durable[key] || done)
#else
#define FSYNC(key, done) skip
#endif

typedef Request { byte key; byte seg; byte prev; bool overDebris };
Request late[LATE];             /* seg 0: free */

/* ---- What a writer remembers, until it crashes ---- */

mtype = { FOLLOWING, IDLE, PUTTING, STORED, READING };

typedef Memory {
  mtype phase = FOLLOWING;
  byte  life;           /* tells segments of different lives apart, as receivedAt does */
  byte  head;           /* the next key: everything below it is settled */
  byte  last;           /* the segment that ends at head: the next prevHash */
  byte  known;          /* ids seen in the chain: the view */
  byte  queue;          /* ids that wait for a commit */
  byte  plan;           /* ids of the segment planned for key `head`, until that key is settled */
  bool  overDebris      /* the condition is If-Match on debris, not If-None-Match */
};
Memory W[WRITERS];
byte crashes, powercuts, markers, junk;

#define my         W[_pid]
#define PLANNED    (my.plan | ((_pid + 1) << 4) | (my.life << 6))

/* ---- The promises. Spin prints the name of the one that fails ---- */

byte acked[IDS];        /* place (position + 1) told to a client; 0: none */
byte believed[KEYS];    /* the segment that a writer took as settled; 0: none */

#if SECOND > 0
byte  second[KEYS];                     /* the oldest valid version of each key in the second bucket; 0: none */
mtype secondLatest[KEYS] = NOTHING;     /* what a condition is checked against there */
bool  replicated[KEYS];                 /* some process calls what the log has at this key `replicated` */

typedef Copying {
  byte key;
  byte seg;             /* as read from the log; 0: nothing is being copied */
  bool sent;            /* next is the look at the key's versions, not the PUT */
  bool overDebris
};
Copying C[2];
#endif
hidden byte the_copy_is_the_log, replicated_is_there;
hidden byte an_ack_stays_true, no_fork, every_link_matches, no_hole, no_id_twice, never_reached;
hidden byte pos, prev, seen, k, i, held, at[IDS];
hidden short segments;

inline audit() {        /* inside a d_step: its variables are no part of the state */
  pos = 0; prev = 0; seen = 0; segments = 0;
  for (i : 0 .. IDS - 1) { at[i] = 0 }
  do
  :: pos < KEYS && entry[pos] != 0 ->
     every_link_matches = (link[pos] == prev);
     assert(every_link_matches);
     no_id_twice = ((seen & IDSOF(entry[pos])) == 0);
     assert(no_id_twice);
     for (i : 0 .. IDS - 1) {
       if
       :: IDSOF(entry[pos]) & BIT(i) -> at[i] = pos + RANK(i, IDSOF(entry[pos])) + 1
       :: else
       fi
     }
     seen = seen | IDSOF(entry[pos]);
     prev = entry[pos];
     segments++;
     pos = pos + COUNT(IDSOF(entry[pos]))
  :: else -> break
  od;
  for (i : 0 .. IDS - 1) {
    an_ack_stays_true = (acked[i] == 0 || acked[i] == at[i]);
    assert(an_ack_stays_true)
  };
  for (k : 0 .. KEYS - 1) {
    segments = segments - (entry[k] != 0);
    no_fork = (believed[k] == 0 || believed[k] == entry[k]);
    assert(no_fork)
  }
#if SECOND > 0
  for (k : 0 .. KEYS - 1) {
    the_copy_is_the_log = (second[k] == 0 || second[k] == entry[k]);
    assert(the_copy_is_the_log);
    replicated_is_there = (!replicated[k] || second[k] != 0);
    assert(replicated_is_there)
  };
#endif
  no_hole = (segments == 0);    /* no segment stands where the walk did not come by */
  assert(no_hole);
#ifdef REACH_EVERY_ID_ACKNOWLEDGED
  for (i : 0 .. IDS - 1) { seen = seen & ~((acked[i] == 0) << i) }
  never_reached = (seen != BIT(IDS) - 1 || crashes < CRASHES || entry[1] == 0 ||
                   BUILTBY(entry[0]) == BUILTBY(entry[1]));
  assert(never_reached);
#endif
  skip  /* a d_step may not end in a loop */
}

inline acknowledge(id, place) {
  printf("id %d acknowledged at position %d\n", id, place - 1);
  an_ack_stays_true = (place != 0 && (acked[id] == 0 || acked[id] == place));
  assert(an_ack_stays_true);
  acked[id] = place
}

/* ---- A PUT reaches the store (rule 2: the key is the fence) ---- */

bool created;

inline arrive(to, what, after, debris) {
  if
#if defined(NO_CONDITION) || defined(BREAK_UNCONDITIONAL_PUT)
  :: entry[to] == 0 -> created = true; entry[to] = what; link[to] = after
  :: entry[to] != 0 -> created = true  /* sorts as the newer version: a shadow */
#ifndef ARRIVAL_ORDER
  :: entry[to] != 0 -> created = true; entry[to] = what; link[to] = after
                                        /* replaces it (a folder), or sorts as the older version (S3) */
#endif
#else
  :: (latest[to] == (debris -> DEBRIS : NOTHING) || (!debris && latest[to] == MARKER)) ->
     created = true;
     if
     :: entry[to] == 0 -> entry[to] = what; link[to] = after
     :: else                            /* created over a marker or debris, and yet only a shadow */
     fi
#endif
  :: else -> created = false
  fi;
  latest[to] = (created -> OBJECT : latest[to]);
  d_step {
    printf("PUT arrives at key %d: ids %d of writer %d in life %d; created: %d\n",
      to, IDSOF(what), BUILTBY(what), LIFEOF(what), created);
    if
    :: created -> audit()
    :: else
    fi
  }
}

/* ---- A writer ---- */

/*
 * `seg` stands at the head key, and will for ever. This is the one step for "ours is stored", "we lost" and
 * "we are catching up": ids of ours that it holds are acknowledged (rule 5), the others go back to the
 * queue, to be chained on it (rule 2).
 */
inline settle(seg) {
  d_step {
    no_fork = (believed[my.head] == 0 || believed[my.head] == seg);
    assert(no_fork);
    believed[my.head] = seg;
#ifndef BREAK_ANSWER_FROM_VISIBLE
    FSYNC(my.head, true);               /* WormStore.settle: who wrote it may have died before its fsync */
#endif
    held = IDSOF(seg);
#ifdef BREAK_NO_DEDUPE_ON_ADOPT
    held = (seg == PLANNED -> held : 0);
#endif
    for (i : 0 .. IDS - 1) {
      if
      :: (my.plan | my.queue) & held & BIT(i) -> acknowledge(i, my.head + RANK(i, IDSOF(seg)) + 1)
      :: else
      fi
    }
    my.queue = (my.queue | my.plan) & ~held;
#ifdef BREAK_SKIP_ADOPT
    my.last = (my.phase == FOLLOWING || seg == PLANNED -> seg : my.last);
#else
    my.last = seg;
#endif
#ifdef BREAK_START_WITHOUT_IDS
    my.known = (my.phase == FOLLOWING -> 0 : my.known | IDSOF(seg));
#else
    my.known = my.known | IDSOF(seg);   /* before the next commit is planned */
#endif
    my.head = my.head + COUNT(IDSOF(seg));
    my.plan = 0;
    my.overDebris = false;
    my.phase = (my.phase == FOLLOWING -> FOLLOWING : IDLE);
    audit()
  }
}

/* Rule 4: whatever came back, it does not say what stands at the key: the same bytes are sent again. */
inline ambiguous() {
#ifdef BREAK_CHANGE_CONTENT_WHILE_UNSETTLED
  my.plan = my.plan | my.queue;
  my.queue = 0
#elif defined(BREAK_MOVE_ON_WHILE_UNSETTLED)
  if
  :: my.head + COUNT(my.plan) < KEYS ->
     my.last = PLANNED; my.head = my.head + COUNT(my.plan); my.plan = 0; my.phase = IDLE
  :: else
  fi
#else
  skip
#endif
}

inline giveUp(slot) {
  late[slot].key = my.head;
  late[slot].seg = PLANNED;
  late[slot].prev = my.last;
  late[slot].overDebris = my.overDebris
}

inline crash(w) {
  printf("writer %d crashes\n", w);
  W[w].life++;
  W[w].head = 0; W[w].last = 0; W[w].known = 0; W[w].queue = 0; W[w].plan = 0; W[w].overDebris = false;
  W[w].phase = FOLLOWING
}

/* Rule 3: where a key has versions, `created` is confirmed by a look at them. Rule 4: `exists` always is. */
#if defined(VERSIONED) && !defined(BREAK_TRUST_CREATED)
#define AFTER_CREATED READING
#else
#define AFTER_CREATED STORED
#endif
#ifdef BREAK_EXISTS_MEANS_MINE
#define AFTER_EXISTS STORED
#else
#define AFTER_EXISTS READING
#endif

#ifdef WAIT_OUT
#define MAY_START (late[0].seg == 0 && late[LATE - 1].seg == 0)
#else
#define MAY_START true
#endif

active [WRITERS] proctype Writer() {
  do
  /* Rule 6: start. Read up to the head; nothing is accepted before. */
  :: atomic { my.phase == FOLLOWING && MAY_START ->
       if
       :: entry[my.head] != 0 -> settle(entry[my.head])
       :: else -> my.phase = IDLE
       fi }

  /* Rule 1: a commit takes what is there, one commit at a time. */
  :: atomic { my.phase == IDLE && my.queue != 0 ->
       d_step {
         printf("writer %d plans ids %d for key %d\n", _pid, my.queue, my.head);
         my.plan = my.queue;
         my.queue = 0;
         my.phase = PUTTING;
#ifdef BREAK_ACK_BEFORE_DURABLE
         for (i : 0 .. IDS - 1) {
           if
           :: my.plan & BIT(i) -> acknowledge(i, my.head + RANK(i, my.plan) + 1)
           :: else
           fi
         };
#endif
         skip
       } }

  /* Rule 2: PUT; it arrives, and is answered or not. */
  :: atomic { my.phase == PUTTING ->
       arrive(my.head, PLANNED, my.last, my.overDebris);
       if
       :: my.phase = (created -> AFTER_CREATED : AFTER_EXISTS);
          FSYNC(my.head, created)
       :: ambiguous()
       fi;
       created = false }

  /* Rule 4: timeout, and it may still arrive at any time. (An error or a timeout of a request that never
   * arrives changes nothing here, so it needs no step of its own.) */
  :: atomic { my.phase == PUTTING && late[0].seg == 0 ->
       printf("writer %d: no answer for key %d\n", _pid, my.head);
       giveUp(0);
       ambiguous() }
#if LATE > 1
  :: atomic { my.phase == PUTTING && late[0].seg != 0 && late[1].seg == 0 ->
       printf("writer %d: no answer for key %d\n", _pid, my.head);
       giveUp(1);
       ambiguous() }
#endif

  :: atomic { my.phase == STORED -> settle(PLANNED) }

  /* Rules 3 and 4: read the oldest valid version. */
  :: atomic { my.phase == READING ->
       if
       :: entry[my.head] != 0 -> settle(entry[my.head])         /* the same bytes: ours; others: lost */
       :: else -> my.overDebris = (latest[my.head] == DEBRIS);  /* rule 3: only debris, or a marker on it */
                  my.phase = PUTTING
       fi }

  /* Crash at any moment; a request under way is a `giveUp` before it. */
  :: atomic { crashes < CRASHES ->
       crashes++;
       crash(_pid) }
  od
}

/* ---- Everyone else ---- */

byte sent;      /* ids that were ever sent */

/* Ids differ in name only (and in their order within a segment, on which nothing depends), and so do
 * writers: it is enough to look at runs in which id 0 is the first to be sent, to writer 0, and so on.
 * EVERY_ORDER looks at all of them. */
#ifdef EVERY_ORDER
#define FIRST_IN_ORDER(w) true
#else
#define FIRST_IN_ORDER(w) (ME < sent || (ME == sent && w <= sent))
#endif

#define ME (_pid - WRITERS)

/* Rule 5 and idempotency: a known id is answered from the store; a new one waits for a commit. */
inline send(w) {
  atomic { W[w].phase != FOLLOWING && FIRST_IN_ORDER(w) && !((W[w].queue | W[w].plan) & BIT(ME)) ->
    sent = sent + (ME == sent);
    if
    :: W[w].known & BIT(ME) -> d_step { audit(); acknowledge(ME, at[ME]) }
    :: else -> printf("id %d is sent to writer %d\n", ME, w); W[w].queue = W[w].queue | BIT(ME)
    fi }
}

/* A client does not wait: it may send its id anywhere, again and again, answered or not. */
active [IDS] proctype Client() {
  do
  :: send(0)
#if WRITERS > 1
  :: send(1)
#endif
#if WRITERS > 2
  :: send(2)
#endif
  od
}

/* What its writer gave up on lands at any later time, or never. */
active [LATE] proctype Network() {
  do
#define mine late[_pid - WRITERS - IDS]
  :: atomic { mine.seg != 0 ->
       if
       :: arrive(mine.key, mine.seg, mine.prev, mine.overDebris);
#ifdef REACH_LATE_REQUEST_OF_AN_EARLIER_LIFE
          never_reached = !(created && LIFEOF(mine.seg) < W[BUILTBY(mine.seg)].life);
          assert(never_reached);
#endif
          created = false
       :: true
       fi;
       mine.key = 0; mine.seg = 0; mine.prev = 0; mine.overDebris = false }
  od
}

#if SECOND > 0
#define MINE C[_pid - WRITERS - IDS - LATE]

inline putDown() {
  MINE.key = 0; MINE.seg = 0; MINE.sent = false; MINE.overDebris = false
}

/* Copies each segment as it reads it (the oldest valid version), in any order, and as late as it likes: that its PUT
 * lands late is a long time between reading and writing, while the other copier does the rest. */
active [2] proctype Copier() {
  byte key;
  do
  :: atomic { MINE.seg == 0 && (_pid == WRITERS + IDS + LATE || C[0].seg != 0) ->    /* they differ in name only */
       select(key : 0 .. KEYS - 1);
       if
#ifdef BREAK_COPY_FROM_MEMORY
       :: W[0].plan != 0 -> MINE.seg = W[0].plan | (1 << 4) | (W[0].life << 6); MINE.key = W[0].head
#else
       :: entry[key] != 0 && !replicated[key] ->  /* once more would change nothing that a promise speaks of */
          MINE.seg = entry[key]; MINE.key = key;
          if
          :: true
          :: MINE.sent = true           /* it looks first, as who starts, and who copies nothing himself */
          fi
#endif
       :: else
       fi;
       key = 0 }

  /* PUT: created on condition, and answered or not. Who has no answer, or dies, begins anew. */
  :: atomic { MINE.seg != 0 && !MINE.sent ->
       if
       :: secondLatest[MINE.key] == (MINE.overDebris -> DEBRIS : NOTHING) || (!MINE.overDebris && secondLatest[MINE.key] == MARKER) ->
          second[MINE.key] = (second[MINE.key] == 0 -> MINE.seg : second[MINE.key]);
          secondLatest[MINE.key] = OBJECT
#ifdef BREAK_EXISTS_MEANS_COPIED
       :: else -> replicated[MINE.key] = true
#else
       :: else
#endif
       fi;
       d_step { audit() };
       if
       :: MINE.sent = true
       :: putDown()
       fi }

  /* Only what is the oldest valid version of its key is called replicated; junk is written over. */
  :: atomic { MINE.seg != 0 && MINE.sent ->
       if
       :: second[MINE.key] == MINE.seg -> replicated[MINE.key] = true; putDown()
       :: second[MINE.key] == 0 -> MINE.overDebris = (secondLatest[MINE.key] == DEBRIS); MINE.sent = false
       :: else -> putDown()                     /* a difference: reported, and gone no further */
       fi;
       d_step { audit() } }
  od
}
#endif

#if MARKERS + JUNK + POWERCUTS > 0
active proctype World() {
  byte key;

  do
  :: atomic { markers < MARKERS ->
       select(key : 0 .. KEYS - 1);
       if
       :: latest[key] == OBJECT || latest[key] == DEBRIS ->
          markers++;
          latest[key] = MARKER;
          printf("delete marker at key %d\n", key)
#if SECOND > 0
       :: secondLatest[key] == OBJECT || secondLatest[key] == DEBRIS ->
          markers++;
          secondLatest[key] = MARKER;
          printf("delete marker at key %d of the second bucket\n", key)
#endif
       :: else
       fi;
       key = 0 }
  :: atomic { junk < JUNK ->
       junk++;
       select(key : 0 .. KEYS - 1);
       if
       :: latest[key] = DEBRIS; printf("junk at key %d\n", key)
#if SECOND > 0
       :: secondLatest[key] = DEBRIS; printf("junk at key %d of the second bucket\n", key)
#endif
       fi;
       key = 0 }
#if POWERCUTS > 0
  :: atomic { powercuts < POWERCUTS ->
       powercuts++;
       printf("power cut\n");
       do
       :: key < KEYS && !durable[key] ->
          entry[key] = 0; link[key] = 0; latest[key] = NOTHING;
          believed[key] = 0;    /* who believed it is dead: what counts is what clients were told */
          key++
       :: key < KEYS -> durable[key] = (entry[key] != 0); key++
       :: key == KEYS -> break
       od;
       for (key : 0 .. WRITERS - 1) { crash(key) }
       key = 0;
       d_step { audit() } }
#endif
  od
}
#endif
