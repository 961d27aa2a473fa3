"""A Flask application as `flask db` finds it: by the name of the file and of the factory."""

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate()


class Users(db.Model):
    """A user."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String)


class Posts(db.Model):
    """What a user wrote."""

    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def create_app() -> Flask:
    """The application."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://app:hunter22pw@db.invalid:5433/app"
    db.init_app(app)
    migrate.init_app(app, db)
    return app
