"""Makes the text that the bundled model learns from, and the text that is held out.

Takes the public-domain books listed below from one pinned commit of a Git repository of classic
books, strips the Markdown, and writes
    OUT/train.txt            chapters, separated by a NUL character; one paragraph a line
    assets/validation.txt    some 90 KB spread over the same books, never trained on
"""

import argparse
import random
import re
import subprocess
from pathlib import Path

REPOSITORY = "https://github.com/mlschmitt/classic-books-markdown"
COMMIT = "944882722e9a96fa6cf2739dc2ea757e101f412f"

# (author, year of death, books). Plain English story-telling, first published before 1929.
BOOKS = [
    ("Aesop", -560, ["Aesop's Fables"]),  # translated by V. S. Vernon Jones, 1912
    ("The Brothers Grimm", 1863, ["Grimms' Fairy Tales"]),
    ("Hans Christian Andersen", 1875, ["Andersen's Fairy Tales", "The Little Mermaid"]),
    ("Beatrix Potter", 1943, ["Great Big Treasury of Beatrix Potter"]),
    ("Lewis Carroll", 1898, ["Alice's Adventures in Wonderland", "Through the Looking-Glass"]),
    ("L. Frank Baum", 1919, ["The Wonderful Wizard of Oz", "The Marvelous Land of Oz", "Ozma of Oz",
                             "Dorothy and the Wizard in Oz", "The Life and Adventures of Santa Claus",
                             "A Kidnapped Santa Claus"]),
    ("Edith Nesbit", 1924, ["Five Children and It", "The Book of Dragons", "The Railway Children"]),
    ("Frances Hodgson Burnett", 1924, ["A Little Princess", "The Secret Garden"]),
    ("George MacDonald", 1905, ["The Princess and the Goblin", "Phantastes"]),
    ("J. M. Barrie", 1937, ["Peter Pan"]),
    ("Kenneth Grahame", 1932, ["The Wind in the Willows"]),
    ("Hugh Lofting", 1947, ["The Story of Doctor Dolittle"]),
    ("Oscar Wilde", 1900, ["The Happy Prince & Other Tales", "The Canterville Ghost"]),
    ("Anna Sewell", 1878, ["Black Beauty"]),
    ("Rudyard Kipling", 1936, ["The Jungle Book", "Kim", "Captains Courageous"]),
    ("Louisa May Alcott", 1888, ["Little Women", "Little Men", "Jo's Boys", "An Old-Fashioned Girl"]),
    ("Lucy Maud Montgomery", 1942, ["Anne of Green Gables", "Anne of Avonlea", "Anne of the Island",
                                    "Anne's House of Dreams", "Christmas Stories", "Emily of New Moon",
                                    "Rainbow Valley", "Rilla of Ingleside"]),
    ("Mark Twain", 1910, ["The Adventures of Tom Sawyer", "The Prince and the Pauper"]),
    ("Robert Louis Stevenson", 1894, ["Treasure Island", "Kidnapped", "The Strange Case of Dr. Jekyll and Mr. Hyde"]),
    ("Jack London", 1916, ["The Call of the Wild", "White Fang", "The Sea Wolf", "Martin Eden"]),
    ("Charles Dickens", 1870, ["A Christmas Carol", "Great Expectations", "David Copperfield", "Oliver Twist",
                               "A Tale of Two Cities", "The Old Curiosity Shop", "Nicholas Nickleby",
                               "Some Short Christmas Stories"]),
    ("Jane Austen", 1817, ["Emma", "Mansfield Park", "Northanger Abbey", "Persuasion", "Pride and Prejudice",
                           "Sense and Sensibility"]),
    ("Charlotte Bronte", 1855, ["Jane Eyre", "Villette"]),
    ("Emily Bronte", 1848, ["Wuthering Heights"]),
    ("Anne Bronte", 1849, ["Agnes Grey"]),
    ("Elizabeth Gaskell", 1865, ["Cranford", "North and South", "Wives and Daughters"]),
    ("George Eliot", 1880, ["Silas Marner", "The Mill on the Floss"]),
    ("Anthony Trollope", 1882, ["Barchester Towers", "The Warden"]),
    ("Thomas Hardy", 1928, ["Far from the Madding Crowd", "The Mayor of Casterbridge"]),
    ("Wilkie Collins", 1889, ["The Moonstone", "The Woman in White"]),
    ("Bram Stoker", 1912, ["Dracula"]),
    ("Anthony Hope", 1933, ["The Prisoner of Zenda", "Rupert of Hentzau"]),
    ("Howard Pyle", 1911, ["The Merry Adventures of Robin Hood"]),
    ("R.M. Ballantyne", 1894, ["The Coral Island"]),
    ("R.D. Blackmore", 1900, ["Lorna Doone"]),
    ("J. Meade Falkner", 1932, ["Moonfleet"]),
    ("John Buchan", 1940, ["The Thirty-Nine Steps", "Greenmantle"]),
    ("Emma Orczy", 1947, ["The Scarlet Pimpernel"]),
    ("Willa Cather", 1947, ["O Pioneers!", "The Song of the Lark"]),
    ("Sarah Orne Jewett", 1909, ["The Country of the Pointed Firs"]),
    ("Washington Irving", 1859, ["Old Christmas", "The Legend of Sleepy Hollow"]),
    ("Nathaniel Hawthorne", 1864, ["The House of the Seven Gables"]),
    ("Zane Grey", 1939, ["Riders of the Purple Sage"]),
    ("Jerome K. Jerome", 1927, ["Three Men in a Boat"]),
    ("H.G. Wells", 1946, ["The Time Machine", "War of the Worlds", "The Invisible Man",
                          "The First Men in the Moon", "The History of Mr Polly", "The Island of Doctor Moreau"]),
    ("G.K. Chesterton", 1936, ["The Innocence of Father Brown", "The Wisdom of Father Brown"]),
    ("Arthur Conan Doyle", 1930, [
        "A Study in Scarlet", "The Sign of the Four", "The Hound of the Baskervilles", "The Valley of Fear",
        "A Case of Identity", "A Scandal in Bohemia", "Silver Blaze", "The Adventure of Black Peter",
        "The Adventure of Charles Augustus Milverton", "The Adventure of Wisteria Lodge",
        "The Adventure of the Abbey Grange", "The Adventure of the Beryl Coronet",
        "The Adventure of the Blue Carbuncle", "The Adventure of the Copper Beeches",
        "The Adventure of the Dancing Men", "The Adventure of the Empty House",
        "The Adventure of the Engineer's Thumb", "The Adventure of the Golden Pince-Nez",
        "The Adventure of the Missing Three-Quarter", "The Adventure of the Noble Bachelor",
        "The Adventure of the Norwood Builder", "The Adventure of the Priory School",
        "The Adventure of the Red-Headed League", "The Adventure of the Second Stain",
        "The Adventure of the Six Napoleons", "The Adventure of the Solitary Cyclist",
        "The Adventure of the Speckled Band", "The Adventure of the Three Students",
        "The Boscombe Valley Mystery", "The Crooked Man", "The Final Problem", "The Five Orange Pips",
        "The Gloria Scott", "The Greek Interpreter", "The Man with the Twisted Lip", "The Musgrave Ritual",
        "The Naval Treaty", "The Reigate Puzzle", "The Resident Patient", "The Stockbroker's Clerk",
        "The Yellow Face", "The Lost World"]),
]

HELD_OUT_PIECES = 28
HELD_OUT_PIECE_CHARS = 3200
SHORTEST_CHAPTER_CHARS = 600  # below it: title pages, dedications, lists of contents

SLURS = re.compile(r"\b(nigg|darke?y|darkie|coon\b)", re.IGNORECASE)  # paragraphs with one are left out

# One way to write each mark, so that a small vocabulary is not spent on typography.
PLAIN_MARKS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "–": "-", "…": "...", "\u00a0": " "})


def obtain(folder):
    """The repository's folder, cloned there when it is not there yet."""
    if not folder.exists():
        subprocess.run(["git", "clone", "--no-checkout", REPOSITORY, str(folder)], check=True)
    return folder


def read_book(repository, author, title):
    command = ["git", "-C", str(repository), "show", f"{COMMIT}:{author}/{title}.md"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode("utf-8")


def chapters(markdown):
    """The book's chapters, each a list of paragraphs, without headings and Markdown marks."""
    body = markdown.split("-------\n", 1)[-1].translate(PLAIN_MARKS).replace("\r", "")
    for chapter in re.split(r"^#+ .*$", body, flags=re.MULTILINE):
        paragraphs = []
        for paragraph in re.split(r"\n\s*\n", chapter):
            text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)  # links and pictures
            text = re.sub(r"<[^>]+>|[_*`\\]|^>\s?", "", text, flags=re.MULTILINE)
            text = " ".join(text.split())
            all_capitals = not re.search(r"[a-z]{2}", text)  # headings, rules, numbers
            if not all_capitals and not SLURS.search(text):
                paragraphs.append(text)
        if sum(map(len, paragraphs)) >= SHORTEST_CHAPTER_CHARS:
            yield paragraphs


def hold_out(books, rng):
    """Takes pieces of consecutive paragraphs out of the books, in turn; returns (kept, pieces)."""
    pieces = []
    order = sorted(books, key=lambda title: -sum(len(p) for chapter in books[title] for p in chapter))
    for title in order[:HELD_OUT_PIECES]:
        long_enough = [c for c in books[title] if sum(map(len, c)) > 2 * HELD_OUT_PIECE_CHARS]
        chapter = rng.choice(long_enough)
        first = rng.randrange(len(chapter))
        while sum(map(len, chapter[first:])) < HELD_OUT_PIECE_CHARS:
            first -= 1
        last, size = first, 0
        while size < HELD_OUT_PIECE_CHARS:
            size += len(chapter[last])
            last += 1
        pieces.append(chapter[first:last])
        place = books[title].index(chapter)
        books[title][place : place + 1] = [part for part in (chapter[:first], chapter[last:]) if part]
    return books, pieces


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, default=Path("build/model/books"), help="clone of the books (made if absent)")
    parser.add_argument("--out", type=Path, default=Path("build/model"))
    parser.add_argument("--validation", type=Path, default=Path(__file__).resolve().parents[1] / "validation.txt")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    repository = obtain(options.repository)
    books = {}
    for author, _, titles in BOOKS:
        for title in titles:
            books[title] = list(chapters(read_book(repository, author, title)))
    books, pieces = hold_out(books, random.Random(0))
    kept = ["\n".join(chapter) for title in books for chapter in books[title]]
    (options.out / "train.txt").write_text("\0".join(kept), encoding="utf-8")
    options.validation.write_text("\n".join("\n".join(piece) for piece in pieces) + "\n", encoding="utf-8")
    characters = sum(map(len, kept))
    print(f"{len(books)} books, {len(kept)} chapters, {characters / 1e6:.1f} million characters to train on")
    print(f"{len(pieces)} pieces, {options.validation.stat().st_size} bytes held out in {options.validation}")


if __name__ == "__main__":
    main()
