"""Which tests a change of a table selects, by what their code reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from db_migrate.testing.select import select

from .conftest import Mapped, Project

Make = Callable[[Mapping[str, str]], Project]

MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        invoices: Mapped[list["Invoice"]] = relationship(back_populates="user")

    class Invoice(Base):
        __tablename__ = "invoices"
        id: Mapped[int] = mapped_column(primary_key=True)
        user: Mapped["User"] = relationship(back_populates="invoices")

    class Payment(Base):
        __tablename__ = "payments"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
TABLES = {"User": "public.users", "Invoice": "public.invoices", "Payment": "public.payments"}


def chosen(project: Project, *tables: str, mapped: list[Mapped], all: bool = False) -> dict[str, tuple[str, ...]]:
    """The selected files with their reasons."""
    selection = select(project.root, tables, mapped, all=all)
    assert set(selection.selected) == set(selection.reason)
    return dict(selection.reason)


def touched(make: Make, files: Mapping[str, str], models: str = "src/database/__init__.py") -> dict[str, set[str]]:
    """For each test file of a project with the usual models, the tables that select it."""
    project = make({models: MODELS, **files})
    found = chosen(project, *TABLES.values(), mapped=project.mapped(models, **TABLES))
    return {file: {table.partition(".")[2] for table in tables} for file, tables in found.items()}


@pytest.mark.parametrize(
    "test",
    [
        "from src.database import Invoice\ndef test_it(): Invoice()",
        "from src.database import Invoice as I\ndef test_it(): I()",
        "import src.database as db\ndef test_it(): db.Invoice()",
        "import src.database\ndef test_it(): src.database.Invoice()",
        "from src import database\ndef test_it(): database.Invoice()",
        "def test_it():\n    from src.database import Invoice\n    Invoice()",
        "def test_it():\n    import src.database as db\n    db.Invoice()",
        "from src.database import *\ndef test_it(): Invoice()",
        "if True:\n    from src.database import Invoice\ndef test_it(): Invoice()",
        "try:\n    from src.database import Invoice\nexcept ImportError:\n    pass\ndef test_it(): Invoice()",
        "from src.database import Invoice\nclass TestIt:\n    def test_it(self): Invoice()",
        "import pytest\ndb = pytest.importorskip('src.database')\ndef test_it(): db.Invoice",
        "def test_it(session): session.execute('SELECT count(*) FROM invoices')",
        "def test_it(session): session.execute(f'DELETE FROM public.invoices WHERE id = {1}')",
        "from src.database import Invoice\nasync def test_it(): Invoice()",
        "from src.database import Invoice\nimport pytest\n@pytest.mark.parametrize('m', [Invoice])\ndef test_it(m): 1",
    ],
)
def test_a_test_touches_what_it_names(project: Make, test: str) -> None:
    """However the class is imported, the test touches its table."""
    assert "invoices" in touched(project, {"tests/test_it.py": test})["tests/test_it.py"]


@pytest.mark.parametrize(
    "test",
    [
        "from src.database import Invoice\ndef test_it(): Invoice()",
        "import src.database as db\ndef test_it(): db.Invoice()",
        "import src.database\ndef test_it(): src.database.Invoice()",
        "from src.database import *\ndef test_it(): Invoice()",
        "from src.database import Base, Payment, Invoice  # Payment is not used\ndef test_it(): Invoice(), Base",
        "def test_it(session):\n    'Nothing from payments.'\n    session.execute('TABLE invoices')",
    ],
)
def test_a_test_touches_nothing_that_it_does_not_name(project: Make, test: str) -> None:
    """Other classes of the same module do not count, imported or not."""
    assert touched(project, {"tests/test_it.py": test}) == {"tests/test_it.py": {"invoices"}}


@pytest.mark.parametrize(
    "test",
    [
        "import src.database as db\ndef test_it(): inspect(db)",
        "import src.database as db\ndef test_it():\n    for name in vars(db): print(name)",
        "from importlib import import_module\ndef test_it(name): import_module(f'src.{name}')",
        "from alembic import command\ndef test_it(config): command.upgrade(config, 'head')",
        "def test_it(config):\n    from alembic import command\n    command.upgrade(config, 'head')",
        "from src.database import Base\ndef test_it():\n    for table in Base.metadata.sorted_tables: print(table)",
        "def test_it(: this is no Python",
    ],
)
def test_a_test_that_can_be_about_any_table_touches_all(project: Make, test: str) -> None:
    """The whole module taken at once, imports by computed names, migrations and metadata mean every table."""
    assert touched(project, {"tests/test_it.py": test}) == {"tests/test_it.py": {"users", "invoices", "payments"}}


def test_a_test_without_tables_is_not_selected(project: Make) -> None:
    """Importing the models' module, unused, touches nothing; nor do words in prose and comments."""
    test = '"""Nothing from invoices."""\nimport src.database\n# update invoices\ndef test_it(): assert 1 + 1 == 2'
    assert touched(project, {"tests/test_it.py": test}) == {}


def test_modules_between_the_test_and_the_models_are_followed_by_name(project: Make) -> None:
    """A test touches what the functions touch that it uses, not what their module imports."""
    files = {
        "src/billing.py": """
            from src.database import Invoice, Payment

            def pay(session): return Payment()

            def bill(session): return _new()

            def _new(): return Invoice()
            """,
        "tests/test_pay.py": "from src.billing import pay\ndef test_pay(): pay(None)",
        "tests/test_bill.py": "from src import billing\ndef test_bill(): billing.bill(None)",
    }
    assert touched(project, files) == {"tests/test_pay.py": {"payments"}, "tests/test_bill.py": {"invoices"}}


def test_reexports_are_followed_to_the_definition(project: Make) -> None:
    """A package that collects names from its modules, with stars and relative imports, hides nothing."""
    files = {
        "src/api/__init__.py": "from .inner import *\nfrom ..billing import pay as settle",
        "src/api/inner/__init__.py": "from .deep import bill",
        "src/api/inner/deep.py": "from ...database import Invoice\ndef bill(): return Invoice()",
        "src/billing.py": "from .database import Payment\ndef pay(): return Payment()",
        "tests/test_bill.py": "from src.api import bill\ndef test_it(): bill()",
        "tests/test_pay.py": "from src import api\ndef test_it(): api.settle()",
    }
    assert touched(project, files) == {"tests/test_bill.py": {"invoices"}, "tests/test_pay.py": {"payments"}}


def test_cyclic_imports_end(project: Make) -> None:
    """Modules that import from each other, stars included, are followed once."""
    files = {
        "src/a.py": "from src.b import *\nfrom .b import helper\nfrom .database import Invoice\ndef bill(): Invoice()",
        "src/b.py": "from src.a import *\nfrom src.a import bill, nowhere\ndef helper(): bill()",
        "tests/test_it.py": "from src.a import helper, nowhere\ndef test_it(): helper(), nowhere()",
    }
    assert touched(project, files) == {"tests/test_it.py": {"invoices"}}


@pytest.mark.parametrize(
    ("models", "test"),
    [
        ("models.py", "from models import Payment\ndef test_it(): Payment()"),
        ("src/shop/models.py", "from shop.models import Payment\ndef test_it(): Payment()"),
        ("shop/db/models.py", "from shop.db.models import Payment\ndef test_it(): Payment()"),
        ("backend/app/models.py", "from app.models import Payment\ndef test_it(): Payment()"),
    ],
)
def test_layouts(project: Make, models: str, test: str) -> None:
    """Flat, src and nested layouts, namespace packages, and a folder that only the models' module tells of."""
    made = project({models: MODELS, "tests/test_it.py": test})
    module = test.split()[1]
    mapped = [Mapped(table, name, module, str(made.root / models)) for name, table in TABLES.items()]
    assert chosen(made, "public.payments", mapped=mapped) == {"tests/test_it.py": ("public.payments",)}
    assert chosen(made, "public.users", mapped=mapped) == {}


def test_helpers_beside_the_tests_are_found(project: Make) -> None:
    """Tests import each other's helpers by folder (pytest's default), by package and relatively."""
    files = {
        "tests/one/helpers.py": "from src.database import Invoice\ndef make(): return Invoice()",
        "tests/one/test_it.py": "from helpers import make\ndef test_it(): make()",
        "tests/two/__init__.py": "",
        "tests/two/helpers.py": "from src.database import Payment\ndef make(): return Payment()",
        "tests/two/test_it.py": "from .helpers import make\ndef test_it(): make()",
        "tests/__init__.py": "",
        "tests/test_top.py": "from tests.two.helpers import make\ndef test_it(): make()",
    }
    assert touched(project, files) == {
        "tests/one/test_it.py": {"invoices"},
        "tests/two/test_it.py": {"payments"},
        "tests/test_top.py": {"payments"},
    }


def test_fixtures_count_for_the_tests_that_use_them(project: Make) -> None:
    """Fixtures are followed by name through conftest files and plugins, with those that they use themselves."""
    files = {
        "conftest.py": """
            import pytest
            pytest_plugins = ["tests.more"]
            from src.database import User

            @pytest.fixture
            def user(): return User()
            """,
        "tests/__init__.py": "",
        "tests/more.py": """
            import pytest
            from src.database import Payment

            @pytest.fixture(name="payment")
            def _make_payment(): return Payment()
            """,
        "tests/conftest.py": """
            import pytest
            from src.database import Invoice

            @pytest.fixture
            def invoice(user): return Invoice()
            """,
        "tests/test_invoice.py": "def test_it(invoice): pass",
        "tests/test_user.py": "class TestIt:\n    def test_it(self, user): pass",
        "tests/test_payment.py": "import pytest\n@pytest.mark.usefixtures('payment')\ndef test_it(): pass",
        "tests/test_asked.py": "def test_it(request): request.getfixturevalue('payment')",
        "tests/test_any.py": "def test_it(request, name): request.getfixturevalue(name)",
        "tests/test_none.py": "def helper(invoice): pass\ndef test_it(): pass",
    }
    found = touched(project, files)
    assert found.pop("tests/test_any.py") == {"users", "invoices", "payments"}
    assert found == {
        "tests/test_invoice.py": {"invoices", "users"},
        "tests/test_user.py": {"users"},
        "tests/test_payment.py": {"payments"},
        "tests/test_asked.py": {"payments"},
    }


def test_automatic_fixtures_count_for_all_below(project: Make) -> None:
    """A fixture that is used unasked counts for the tests of its folder, not for those of others."""
    files = {
        "tests/in/conftest.py": """
            import pytest
            from src.database import Payment

            @pytest.fixture(autouse=True)
            def payment(): return Payment()
            """,
        "tests/in/test_it.py": "def test_it(): pass",
        "tests/out/test_it.py": "def test_it(): pass",
    }
    assert touched(project, files) == {"tests/in/test_it.py": {"payments"}}


def test_what_registers_itself_counts_with_what_it_registers_with(project: Make) -> None:
    """Handlers come with their router, listeners with the class that they listen to; unused routers do not."""
    files = {
        "src/api/pay.py": """
            from fastapi import APIRouter
            from src.database import Payment
            router = APIRouter()

            @router.post("/pay")
            def pay(): return Payment()
            """,
        "src/api/idle.py": """
            from fastapi import APIRouter
            from src.database import User
            router = APIRouter()

            @router.get("/users")
            def users(): return User()
            """,
        "src/app.py": """
            from fastapi import FastAPI
            from src.api import idle, pay

            def create_app():
                app = FastAPI()
                app.include_router(pay.router)
                return app
            """,
        "src/listeners.py": """
            from sqlalchemy import event
            from src.database import Invoice, Payment

            @event.listens_for(Payment, "after_insert")
            def note(mapper, connection, payment): Invoice()
            """,
        "tests/test_app.py": "from src.app import create_app\ndef test_it(): create_app()",
        "tests/test_listening.py": "import src.listeners\nfrom src.database import Payment\ndef test_it(): Payment()",
    }
    assert touched(project, files) == {
        "tests/test_app.py": {"payments"},
        "tests/test_listening.py": {"payments", "invoices"},
    }


def test_a_relationship_counts_when_its_attribute_is_used(project: Make) -> None:
    """The table at the other end is touched by who takes the attribute, by name or as a keyword."""
    files = {
        "tests/test_plain.py": "from src.database import User\ndef test_it(): User(id=1)",
        "tests/test_attribute.py": "from src.database import User\ndef test_it(user): User().invoices",
        "tests/test_keyword.py": "from src.database import User\ndef test_it(): User(invoices=[])",
        "tests/test_delete.py": "from src.database import User\ndef test_it(session): session.delete(User())",
    }
    both = {"users", "invoices"}
    assert touched(project, files) == {
        "tests/test_plain.py": {"users"},
        "tests/test_attribute.py": both,
        "tests/test_keyword.py": both,
        "tests/test_delete.py": both,
    }


def test_a_relationship_that_is_always_loaded_always_counts(project: Make) -> None:
    """With lazy="selectin" every query of the class reads the other table."""
    models = MODELS.replace('(back_populates="user")', '(back_populates="user", lazy="selectin")')
    made = project({"models.py": models, "tests/test_it.py": "from models import User\ndef test_it(): User()"})
    mapped = made.mapped("models.py", **TABLES)
    assert chosen(made, "public.invoices", mapped=mapped) == {"tests/test_it.py": ("public.invoices",)}


def test_inheritance_counts_upwards(project: Make) -> None:
    """A class of joined-table inheritance touches its parent's table too."""
    more = '\n    class Refund(Payment):\n        __tablename__ = "refunds"\n'
    made = project(
        {"models.py": MODELS + more, "tests/test_it.py": "from models import Refund\ndef test_it(): Refund()"}
    )
    mapped = made.mapped("models.py", **TABLES, Refund="public.refunds")
    found = chosen(made, "public.payments", "public.refunds", "public.users", mapped=mapped)
    assert found == {"tests/test_it.py": ("public.payments", "public.refunds")}


def test_tables_without_a_class_are_found_in_the_text(project: Make) -> None:
    """Table objects count by their own name and schema, where no mapper speaks of them."""
    files = {
        "tables.py": """
            from sqlalchemy import Column, Integer, MetaData, Table
            metadata = MetaData()
            LOGS = Table("logs", metadata, Column("id", Integer), schema="audit")
            NOTES = Table("notes", metadata, Column("id", Integer))
            """,
        "tests/test_logs.py": "from tables import LOGS\ndef test_it(): LOGS.insert()",
        "tests/test_notes.py": "import tables\ndef test_it(): tables.NOTES.select()",
    }
    made = project(files)
    assert chosen(made, "audit.logs", mapped=[]) == {"tests/test_logs.py": ("audit.logs",)}
    assert chosen(made, "public.logs", mapped=[]) == {}
    assert chosen(made, "any.notes", mapped=[]) == {"tests/test_notes.py": ("any.notes",)}


def test_classes_that_the_text_does_not_define_count_by_module(project: Make) -> None:
    """Where a factory makes the classes, whoever uses the module touches its tables."""
    files = {
        "src/made.py": "from src.factory import make\nglobals().update(make('Ghost'))\ndef get(): return None",
        "tests/test_made.py": "from src.made import get\ndef test_it(): get()",
        "tests/test_other.py": "def test_it(): pass",
    }
    made = project(files)
    mapped = made.mapped("src/made.py", Ghost="public.ghosts")
    assert chosen(made, "public.ghosts", mapped=mapped) == {"tests/test_made.py": ("public.ghosts",)}


def test_names_that_need_quotes(project: Make) -> None:
    """Tables with capitals and spaces are matched by what they are, however they are written."""
    made = project({"tests/test_it.py": "def test_it(s): s.execute('SELECT 1 FROM \"Order Lines\"')"})
    assert list(chosen(made, 'public."Order Lines"', mapped=[])) == ["tests/test_it.py"]
    assert chosen(made, "public.order_lines", mapped=[]) == {}


def test_pytest_configuration_says_where_tests_are(project: Make) -> None:
    """testpaths, python_files and pythonpath are read as pytest reads them; folders of others are left out."""
    test = "from db.models import Payment\ndef test_it(): Payment()"
    files = {
        "pytest.ini": "[pytest]\ntestpaths = checks\npython_files = check_*.py\npythonpath = lib\n",
        "lib/db/models.py": MODELS,
        "checks/check_it.py": test,
        "checks/test_it.py": test,
        "tests/test_it.py": test,
        "checks/.hidden/check_it.py": test,
        "checks/env/pyvenv.cfg": "",
        "checks/env/check_it.py": test,
    }
    made = project(files)
    mapped = [Mapped("public.payments", "Payment", "db.models", str(made.root / "lib/db/models.py"))]
    assert list(chosen(made, "public.payments", mapped=mapped)) == ["checks/check_it.py"]


def test_all_takes_every_test(project: Make) -> None:
    """With all=True tests are taken that touch nothing, and say so."""
    made = project({"tests/test_it.py": "def test_it(): pass"})
    assert chosen(made, "public.users", mapped=[], all=True) == {"tests/test_it.py": ()}


def test_paths_limit_the_search(project: Make) -> None:
    """Only the given files and folders are looked at."""
    test = "def test_it(s): s.execute('SELECT 1 FROM users')"
    made = project({"tests/a/test_a.py": test, "tests/b/test_b.py": test})
    paths = [Path("tests/b")]
    assert select(made.root, ["public.users"], [], paths=paths).selected == ("tests/b/test_b.py",)


def test_nothing_that_changes_selects_nothing(project: Make) -> None:
    """Without tables there is no reason to run anything, be the test about every table."""
    made = project({"tests/test_it.py": "from alembic import command\ndef test_it(): command.upgrade()"})
    assert chosen(made, mapped=[]) == {}


def test_a_broken_module_selects_the_tests_that_import_it(project: Make) -> None:
    """What a module does that is not Python cannot be known: its tests are run, others are not."""
    files = {
        "src/broken.py": "def f(:",
        "tests/test_broken.py": "import src.broken\ndef test_it(): pass",
        "tests/test_whole.py": "def test_it(): pass",
    }
    assert set(touched(project, files)) == {"tests/test_broken.py"}


def test_a_chain_of_thousands_of_modules_is_followed(project: Make) -> None:
    """Depth is not limited by Python's recursion."""
    files = {f"src/m{n}.py": f"from src.m{n + 1} import go as on\ndef go(): on()" for n in range(1500)}
    files["src/m1500.py"] = "from src.database import Payment\ndef go(): Payment()"
    files["tests/test_it.py"] = "from src.m0 import go\ndef test_it(): go()"
    assert touched(project, files) == {"tests/test_it.py": {"payments"}}
