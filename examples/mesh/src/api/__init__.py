"""The routes, one module for each kind of thing."""

from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy.orm import Session

from src.session import get_session

DatabaseSession = Annotated[Session, Depends(get_session)]
PageSize = Annotated[int, Query(ge=1, le=200)]
