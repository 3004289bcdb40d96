from .output.figures import Plotted as Plotted
from .widgets.explorer.widget import Explorer as Explorer
from .widgets.grid.preview import Preview as Preview
from .widgets.grid.widget import TableView as TableView
from .widgets.lab.widget import Lab as Lab
from .widgets.marker.widget import Marker as Marker
from .widgets.sessions.widget import SessionBrowser as SessionBrowser
