"""Ten passages and a query, which the examples beside this file share."""

QUERY = "who wrote Dune?"

TEXTS = {
    "sand": "Dunes are hills of sand that the wind has piled up.",
    "films": "Dune was filmed by David Lynch in 1984 and by Denis Villeneuve in 2021.",
    "novel": "Frank Herbert's novel of 1965 is set on the desert planet Arrakis.",
    "author": "The author Frank Herbert published Dune in 1965, after six years of work.",
    "buggy": "A dune buggy is a light car for driving on sand.",
    "asimov": "Isaac Asimov wrote the Foundation novels.",
    "worms": "Sandworms swallow what makes a rhythmic sound on the sand of Arrakis.",
    "pilat": "The Dune of Pilat, near Bordeaux, is more than a hundred metres high.",
    "grass": "Marram grass holds a dune in place with its long roots.",
    "spice": "In the story the spice melange lengthens life and makes space travel possible.",
}

PASSAGES = [{"id": id_, "text": text} for id_, text in TEXTS.items()]
